//! Step 5 of a message's way: a group polls, runs the handler, and commits its effects with their place.
//!
//! A record is handled at least once, and its effects are committed together with the note that it was: a
//! process that ends between the two leaves neither. A record that fails is tried again after a back-off;
//! one that cannot be handled becomes a dead letter, in the transaction that moves the group past it.

mod alone;
mod backoff;
mod copies;
mod dead_letter;
pub mod dead_letters;
pub mod faults;
pub mod groups;
mod handler;
pub mod headers;
mod job;
mod keeper;
mod line;
mod numbers;
mod observer;
mod options;
mod parked;
mod partition;
mod progress;
pub mod redrive;
mod runner;
mod seen;
pub mod spring;
mod window;
mod work;

/// Makes `async fn handle` of a [`Handler`] possible.
pub use async_trait::async_trait;
/// Where records come from; a handler's program needs nothing else than this crate and a runtime.
pub use tidings_log as log;
/// Records, times.
pub use tidings_model as model;
/// Transactions.
pub use tidings_store as store;
use tidings_store::Migration;

pub use alone::{Alone, AloneError, Setup};
pub use backoff::Backoff;
pub use dead_letter::dead_letter_topic;
pub use handler::{Handler, HandlerError};
pub use keeper::{Forgotten, Keeper};
pub use observer::{Event, Logged, Observer};
pub use options::{Limits, Options, Repeats};
pub use runner::{Consumer, ConsumerError};

/// The tables of this crate.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        owner: "consumer",
        name: "0001_consumer",
        sqlite: include_str!("../migrations/sqlite/0001_consumer.sql"),
    },
    Migration {
        owner: "consumer",
        name: "0002_parking",
        sqlite: include_str!("../migrations/sqlite/0002_parking.sql"),
    },
    Migration {
        owner: "consumer",
        name: "0003_redrive",
        sqlite: include_str!("../migrations/sqlite/0003_redrive.sql"),
    },
    Migration {
        owner: "consumer",
        name: "0004_numbers",
        sqlite: include_str!("../migrations/sqlite/0004_numbers.sql"),
    },
    Migration {
        owner: "consumer",
        name: "0005_faults",
        sqlite: include_str!("../migrations/sqlite/0005_faults.sql"),
    },
];
