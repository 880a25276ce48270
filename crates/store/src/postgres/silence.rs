//! Silence: the server takes what it is sent and answers nothing. It is frozen, or what lies between is.
//!
//! A connection that is lost ends what runs on it; one that is silent would hold its caller for ever. The ear asks
//! each second, and whoever waits for the database gives up when the ear has no answer. What runs is dropped with its
//! connection, so nothing of it goes on when the server wakes; only a commit that was sent already may still happen.

use std::{future::Future, time::Duration};

use tokio::{sync::watch, time::timeout};

use crate::StoreError;

/// How long the ear waits for an answer: longer than any pause of a server that lives, short enough that those who ask
/// are answered within ten seconds.
const LIMIT: Duration = Duration::from_secs(5);
/// What is told to those who wait.
pub(super) const SILENT: &str = "it takes what it is sent and answers nothing";

/// Whether the server is silent.
#[derive(Debug, Default)]
pub(super) struct Silence(watch::Sender<bool>);

impl Silence {
    /// Waits for an answer to the ear; none: the server is silent from now on.
    pub(super) async fn unless<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        let answered = timeout(LIMIT, answer).await.ok();
        if answered.is_none() {
            self.0.send_replace(true);
        }
        answered
    }

    /// The server has answered.
    pub(super) fn broken(&self) {
        self.0.send_if_modified(|silent| std::mem::replace(silent, false));
    }

    /// Work on the database, given up when the server is silent. `refused` says that nothing was done.
    pub(super) async fn or_work<T, E>(
        &self,
        refused: impl FnOnce() -> StoreError,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E>
    where
        E: From<StoreError>,
    {
        let mut silent = self.0.subscribe();
        if *silent.borrow_and_update() {
            return Err(refused().into());
        }
        tokio::select! {
            biased;
            result = work => result,
            _silent = silent.wait_for(|silent| *silent) => {
                Err(StoreError::Unknown { reason: SILENT.to_owned() }.into())
            }
        }
    }
}
