//! Who is online: whether somebody has an open stream, on this process or on another.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use tidings_model::UserId;
use tidings_store::{StoreError, Tx};

/// Knows the open streams of all processes.
#[async_trait]
pub trait Lines: Send + Sync + std::fmt::Debug {
    /// Whether somebody has an open stream; awaits nothing but the transaction.
    async fn is_open(&self, tx: &Tx, user: &UserId) -> Result<bool, StoreError>;
}

/// Asks who is online, as soon as streams can be opened.
#[derive(Clone, Debug, Default)]
pub struct Online(Arc<OnceLock<Arc<dyn Lines>>>);

impl Online {
    /// Begins to know; who builds the server does it, once.
    pub fn open(&self, lines: Arc<dyn Lines>) {
        drop(self.0.set(lines));
    }

    /// Whether somebody is online. Of a process that fell silent it is believed for some seconds.
    pub async fn is(&self, tx: &Tx, user: &UserId) -> Result<bool, StoreError> {
        match self.0.get() {
            Some(lines) => lines.is_open(tx, user).await,
            None => Ok(false),
        }
    }
}
