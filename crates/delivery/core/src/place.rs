//! Where a record stands: its place in the delivery log, and the number its relay gave it.

use std::fmt;

use serde::{Deserialize, Serialize};
use tidings_model::Timestamp;

/// A place in the delivery log: the record's offset plus one, so that 0 can say *before the first record*.
///
/// "Up to and including this place" is what every cursor, page and range of this crate means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Place(pub u64);

impl Place {
    /// Before the first record.
    pub const ORIGIN: Self = Self(0);
    /// After every record that can ever be.
    pub const MAX: Self = Self(u64::MAX);

    /// The place of the record at an offset of the log.
    pub const fn of_offset(offset: u64) -> Self {
        Self(offset.saturating_add(1))
    }

    /// The offset of the record that stands here; none before the first record.
    pub const fn offset(self) -> Option<u64> {
        self.0.checked_sub(1)
    }

    /// The place after this one.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The place before this one; the origin stays where it is.
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The number a relay gave a record of one partition (header `tidings-seq`), from 1, without holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Number(pub u64);

impl Number {
    /// The number after this one.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where and when something is judged: memberships, mutes and settings by place, quiet hours and expiry by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The place whose memberships, mutes and settings hold.
    pub place: Place,
    /// The time that quiet hours and expiry look at.
    pub time: Timestamp,
}
