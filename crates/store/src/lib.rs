//! Step 2 of a message's way: the domain row and its events in one transaction.
//!
//! [`Store::transact`] runs a body on the one writer, together with whoever else waits, and returns when
//! the commit is on the disk. A body awaits nothing but its [`Tx`]. An event put into the transaction
//! ([`Tx::put_event`]) *is* a record of the embedded log: one commit, one `fdatasync`. Where the log is another
//! system, it is a row of the outbox, which a relay takes there.

mod append;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod heads;
mod ledger;
mod migrate;
mod outbox;
mod postgres;
mod sqlite;
mod stats;
mod store;
mod topics;
mod tx;
mod value;
mod wakes;

pub use append::{Appended, NewRecord, OFFSET_BITS, decode_headers, encode_headers, position};
pub use error::{DriverError, StoreError};
pub use heads::{Head, Heads};
pub use migrate::Migration;
pub use outbox::{
    Appends, OUTBOX, ROW_RECORDS, SHARDS, WAITING_BYTES, WAITING_ROWS, WaitingRecord, shard_of, unpack_row,
};
pub use stats::StoreStats;
pub use store::{Database, Lane, Store, StoreHealth, StoreOptions};
pub use topics::{TopicPartitions, partition_for};
pub use tx::Tx;
pub use value::{FromValue, Row, Value};

/// Makes the parameter list of a statement: `params![id, name, None::<String>]`.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::Value::from($value)),*]
    };
}
