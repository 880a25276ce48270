//! Wakes: who waits for something in the database sleeps until a commit says that it is there.
//!
//! A transaction names what it wakes ([`Tx::wake`](crate::Tx::wake)); all who watch that name are woken after
//! the commit, and nobody is by a body that failed. A wake says "look", nothing more: several may become one,
//! and one may come without a reason.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use tokio::sync::watch;

/// Who is woken, by name. The number only ever grows.
#[derive(Debug, Default)]
pub(crate) struct Wakes(RwLock<HashMap<&'static str, watch::Sender<u64>>>);

impl Wakes {
    /// Wakes from now on; `changed()` resolves at the next one.
    pub(crate) fn watch(&self, what: &'static str) -> watch::Receiver<u64> {
        if let Some(sender) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(what) {
            return sender.subscribe();
        }
        let mut wakes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        wakes.entry(what).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// Wakes those who watch this name, if there are any.
    pub(crate) fn wake(&self, what: &str) {
        if let Some(sender) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(what) {
            sender.send_modify(|count| *count += 1);
        }
    }
}
