//! Steps 6 and 9 of a message's way: what is delivered to whom, and what comes back.
//!
//! A handler writes one *delivery record* ([`deliver()`]): an event and its audience, never one per recipient
//! of a channel. Gateways tail these records through the [`Feed`]; what people missed they read from the
//! projection ([`backlog`]), and what people confirm moves receipts and counts ([`receipts`]).
//! The rules themselves are pure and live in [`core`].

pub mod api;
pub mod backlog;
pub mod change;
mod deliver;
pub mod directory;
mod feed;
mod frame;
#[cfg(test)]
mod fresh;
pub mod generations;
pub mod inbox;
mod item;
mod mark;
mod membership;
mod opening;
mod person;
pub mod preferences;
pub mod presence;
mod project;
mod projection;
mod reach;
pub mod receipts;
mod record;
pub mod retention;
pub mod seen;
pub mod sessions;
mod signal;
mod spoken;
pub mod trace;
pub mod unconfirmed;
pub mod why;
mod witness;

use std::{borrow::Cow, time::Duration};

pub use tidings_delivery_core as core;
use tidings_log::{Durability, TopicSpec};
use tidings_store::Migration;

pub use deliver::{Item, deliver, end_item, end_word, head};
pub use feed::{Feed, FeedOptions, Listener};
pub use frame::{Delivery, WEBSOCKET_TEXT, event_shape, websocket_frame};
pub use item::ItemCreated;
pub use mark::Mark;
pub use membership::Change;
pub use opening::{Opened, Openings};
pub use person::Person;
pub use projection::{PROJECTED, Projection, reached};
pub use reach::Reach;
pub use record::{DeliveryRecord, MEMBERSHIP, MEMBERSHIP_EVENT, Origin};
pub use signal::{SignalFrame, signal_shape};
pub use spoken::{frames, records};
pub use tidings_delivery_core::End;
pub use witness::{Witness, Witnesses, Word};

/// The tables of this crate.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        owner: "delivery",
        name: "0001_delivery",
        sqlite: include_str!("../migrations/sqlite/0001_delivery.sql"),
    },
    Migration {
        owner: "delivery",
        name: "0002_inbox",
        sqlite: include_str!("../migrations/sqlite/0002_inbox.sql"),
    },
    Migration {
        owner: "delivery",
        name: "0003_projection",
        sqlite: include_str!("../migrations/sqlite/0003_projection.sql"),
    },
    Migration {
        owner: "delivery",
        name: "0004_reach",
        sqlite: include_str!("../migrations/sqlite/0004_reach.sql"),
    },
    Migration {
        owner: "delivery",
        name: "0005_preferences",
        sqlite: include_str!("../migrations/sqlite/0005_preferences.sql"),
    },
    Migration {
        owner: "delivery",
        name: "0006_retention",
        sqlite: include_str!("../migrations/sqlite/0006_retention.sql"),
    },
    Migration {
        owner: "delivery",
        name: "0007_presence",
        sqlite: include_str!("../migrations/sqlite/0007_presence.sql"),
    },
    Migration {
        owner: "delivery",
        name: "0008_cut",
        sqlite: include_str!("../migrations/sqlite/0008_cut.sql"),
    },
    Migration {
        owner: "delivery",
        name: "0009_seen",
        sqlite: include_str!("../migrations/sqlite/0009_seen.sql"),
    },
    Migration {
        owner: "delivery",
        name: "0010_base",
        sqlite: include_str!("../migrations/sqlite/0010_base.sql"),
    },
    Migration {
        owner: "delivery",
        name: "0011_listed",
        sqlite: include_str!("../migrations/sqlite/0011_listed.sql"),
    },
];

/// The delivery log, by the name features know it by.
pub const DELIVERIES: &str = "tidings-deliveries";

/// The delivery log: one partition, so that everybody sees one order.
pub static DELIVERIES_TOPIC: TopicSpec = TopicSpec {
    name: Cow::Borrowed(DELIVERIES),
    partitions: 1,
    retention: Duration::from_hours(7 * 24),
    key: "none",
    durability: Durability::Durable,
};
