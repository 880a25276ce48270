//! Schedules: work whose time comes, also after the server was down.

use std::{future::Future, pin::Pin};

use tidings_model::Timestamp;
use tidings_store::{StoreError, Tx};

/// The next moment at which there is work, if there is any.
pub type Due<'a> = Pin<Box<dyn Future<Output = Result<Option<Timestamp>, StoreError>> + Send + 'a>>;

/// Work whose time comes. What is due lies in the database, so that a restart forgets nothing.
pub trait Schedule: Send + Sync {
    /// What it does, for logs: `broadcast-activation`.
    fn name(&self) -> &'static str;

    /// Does a slice of what is due at `now`; answers when there is more: a moment not after `now` means at once.
    ///
    /// Runs inside a transaction and awaits nothing but it.
    fn run<'a>(&'a self, tx: &'a Tx, now: Timestamp) -> Due<'a>;
}
