//! A trace: what the store knows of one message and one person. The journey asks for it to say who got what, and why.

use tidings_delivery_core::{GenerationId, Person, receipts::ItemReceipt};
use tidings_model::{Timestamp, UserId};
use tidings_store::{StoreError, Tx, params};

use crate::{
    Delivery, backlog, directory, receipts,
    sessions::{self, Device},
};

/// Records of one message that are looked at; a person's own come before those of others.
const RECORDS: usize = 20;

/// What the store knows of one message and one person.
#[derive(Debug)]
pub struct Trace {
    /// The message as an inbox item; none before its first delivery.
    pub item: Option<TracedItem>,
    /// Whether the directory knows the person.
    pub known: bool,
    /// The person, with all they were member of.
    pub person: Person,
    /// Delivery records on the person's channels, in order; where there is none, one of those for others.
    pub records: Vec<Delivery>,
    /// The person's devices.
    pub devices: Vec<Device>,
    /// What the person confirmed.
    pub receipt: ItemReceipt,
}

/// A message, as the journey shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedItem {
    /// `broadcast`, `notification`, …
    pub kind: String,
    /// When it was first delivered.
    pub created_at: Timestamp,
    /// When it is over.
    pub expires_at: Timestamp,
    /// When it was taken back or ran out; none while it is active.
    pub ended_at: Option<Timestamp>,
}

/// Reads a trace.
pub async fn of(
    tx: &Tx,
    generation: GenerationId,
    message: &str,
    user: &UserId,
) -> Result<Trace, StoreError> {
    let row = tx
        .optional(
            "SELECT kind, created_at, expires_at, ended_at FROM inbox_items WHERE item_id = $1",
            params![message],
        )
        .await?;
    let item = row
        .map(|row| {
            Ok::<_, StoreError>(TracedItem {
                kind: row.get(0)?,
                created_at: row.get(1)?,
                expires_at: row.get(2)?,
                ended_at: row.get(3)?,
            })
        })
        .transpose()?;
    Ok(Trace {
        item,
        known: directory::unknown(tx, std::slice::from_ref(user)).await?.is_empty(),
        person: directory::history(tx, user).await?,
        records: backlog::of_subject(tx, generation, user, message, RECORDS).await?,
        devices: sessions::devices(tx, user).await?,
        receipt: receipts::of(tx, user, message).await?,
    })
}
