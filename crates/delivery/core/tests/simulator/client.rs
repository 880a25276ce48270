//! A client on a device: it keeps its cursor, drops repeats by event id, and says what it has.

use std::collections::{BTreeMap, BTreeSet};

use tidings_delivery_core::Place;
use tidings_model::{Channel, Timestamp};

/// What the driver knows of an opening: where it was, and what had to be sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Opened {
    pub(crate) number: u64,
    pub(crate) time: Timestamp,
    /// Events that were pending then and had to be sent.
    pub(crate) owed: BTreeSet<String>,
    /// Events that the digest only counted.
    pub(crate) counted: BTreeSet<String>,
}

/// One device.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Device {
    /// The node it is connected to.
    pub(crate) node: Option<usize>,
    pub(crate) channels: Option<BTreeSet<Channel>>,
    pub(crate) cursor: Option<String>,
    /// The driver's note on it: its place, the life of the log, and the channels it was given for.
    pub(crate) cursor_at: Option<(Place, u64, Option<BTreeSet<Channel>>)>,
    /// The view: events by id, with the epoch of their first sight.
    pub(crate) seen: BTreeMap<String, u64>,
    /// Subjects in the view.
    pub(crate) subjects: BTreeSet<String>,
    /// Changes whenever the device is told that it was not recovered.
    pub(crate) epoch: u64,
    /// Where the present epoch opened.
    pub(crate) opened: Opened,
    /// An opening that the device was not told of yet.
    pub(crate) opening: Option<Opened>,
    /// Everything up to this number is checked to be in the view.
    pub(crate) checked: u64,
    /// The newest place that was sent on the present connection.
    pub(crate) sent: Place,
    /// The newest un-late place that was new to the view in this epoch.
    pub(crate) newest: Place,
    /// Whether the device ever opened a session.
    pub(crate) told: bool,
}
