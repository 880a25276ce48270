//! Witnesses: who is told what people confirm, in the transaction of their receipts.
//!
//! A receipt moves what this crate keeps of an item. A feature whose messages have receipts of another shape (how far a
//! member of a conversation has read) is a witness: what it writes is there when the client's word is.

use std::sync::Arc;

use async_trait::async_trait;
use tidings_model::{Timestamp, UserId};
use tidings_store::{StoreError, Tx};

/// What a client says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// A device has it.
    Delivered,
    /// Its reader read it, and so has it.
    Read,
}

/// Is told what people confirm.
#[async_trait]
pub trait Witness: Send + Sync {
    /// A person confirmed these messages, which they had not confirmed before with this word. Messages of others are
    /// among them, and are passed over. Runs in the transaction of the receipts and awaits nothing but it; the person is
    /// held ([`directory::hold`](crate::directory::hold)).
    async fn confirmed(
        &self,
        tx: &Tx,
        user: &UserId,
        messages: &[String],
        word: Word,
        now: Timestamp,
    ) -> Result<(), StoreError>;
}

/// All witnesses of a server.
#[derive(Clone, Default)]
pub struct Witnesses(Arc<[Arc<dyn Witness>]>);

impl std::fmt::Debug for Witnesses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Witnesses({})", self.0.len())
    }
}

impl FromIterator<Arc<dyn Witness>> for Witnesses {
    fn from_iter<I: IntoIterator<Item = Arc<dyn Witness>>>(witnesses: I) -> Self {
        Self(witnesses.into_iter().collect())
    }
}

impl Witnesses {
    /// Tells all of them.
    pub(crate) async fn tell(
        &self,
        tx: &Tx,
        user: &UserId,
        messages: &[String],
        word: Word,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if messages.is_empty() {
            return Ok(());
        }
        for witness in self.0.iter() {
            witness.confirmed(tx, user, messages, word, now).await?;
        }
        Ok(())
    }
}
