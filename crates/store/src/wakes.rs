//! Wakes: who waits for something in the database sleeps until a commit says that it is there.
//!
//! A transaction names what it wakes ([`Tx::wake`](crate::Tx::wake)); all who watch that name are woken after
//! the commit, and nobody is by a body that failed. A wake says "look", nothing more: several may become one,
//! and one may come without a reason.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::{PoisonError, RwLock},
};

use tokio::sync::watch;

/// Who is woken, by name. The numbers only ever grow.
#[derive(Debug)]
pub(crate) struct Wakes {
    watched: RwLock<HashMap<&'static str, watch::Sender<u64>>>,
    // Tells what this process said from what it heard.
    voice: u64,
}

impl Default for Wakes {
    fn default() -> Self {
        Self { watched: RwLock::default(), voice: RandomState::new().build_hasher().finish() }
    }
}

impl Wakes {
    /// Wakes from now on; `changed()` resolves at the next one.
    pub(crate) fn watch(&self, what: &'static str) -> watch::Receiver<u64> {
        if let Some(sender) = self.watched.read().unwrap_or_else(PoisonError::into_inner).get(what) {
            return sender.subscribe();
        }
        let mut wakes = self.watched.write().unwrap_or_else(PoisonError::into_inner);
        wakes.entry(what).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// Wakes those who watch this name, if there are any.
    pub(crate) fn wake(&self, what: &str) {
        if let Some(sender) = self.watched.read().unwrap_or_else(PoisonError::into_inner).get(what) {
            sender.send_modify(|count| *count += 1);
        }
    }

    /// What other processes are told, for them to [`hear`](Self::hear).
    pub(crate) fn say(&self, what: &str) -> String {
        format!("{:016x} {what}", self.voice)
    }

    /// Wakes those who watch what another process said. Our own were woken when we said it.
    pub(crate) fn hear(&self, said: &str) {
        if let Some((voice, what)) = said.split_once(' ')
            && u64::from_str_radix(voice, 16) != Ok(self.voice)
        {
            self.wake(what);
        }
    }

    /// Wakes everybody: nobody knows what was missed.
    pub(crate) fn wake_all(&self) {
        for sender in self.watched.read().unwrap_or_else(PoisonError::into_inner).values() {
            sender.send_modify(|count| *count += 1);
        }
    }
}
