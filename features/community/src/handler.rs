//! What happens with the records of the community: `signups` makes profiles, `follows` tells people who follows
//! them, `posts` counts what they post and tells it, `announcements` tells everybody.

mod announcements;
mod follows;
mod posts;
mod signups;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, value::to_raw_value};
use tidings::{
    consumer::HandlerError,
    delivery::{
        DeliveryRecord, Item,
        change::{self, PutError, Wish},
        deliver,
    },
    following,
    model::{Audience, Record, Timestamp},
    store::Tx,
};

use crate::model::LIFE;

pub(crate) use announcements::Announcements;
pub(crate) use follows::Follows;
pub(crate) use posts::{PostCounts, Posts};
pub(crate) use signups::SignUps;

/// The group of those who push to connections.
const PUSHERS: &str = "ws-gateway";
/// The group of those who keep what is known of people.
const PEOPLE: &str = "user-service";

/// A record's value, or the reason why it will never be one.
fn decode<T: DeserializeOwned>(record: &Record) -> Result<T, HandlerError> {
    let value = record.value.as_deref().ok_or_else(|| HandlerError::reject("the record has no value"))?;
    serde_json::from_slice(value).map_err(HandlerError::reject)
}

/// Brings into force what somebody is to be, if it is anything new.
async fn change(tx: &Tx, wish: Wish, now: Timestamp) -> Result<(), HandlerError> {
    match change::put(tx, &[wish], now).await {
        Ok(_on_its_way) => Ok(()),
        Err(behind @ PutError::Behind) => Err(HandlerError::retry(behind)),
        Err(PutError::Store(cause)) => Err(cause.into()),
    }
}

/// What a record says to people: a message, and the item of their inboxes.
struct Message {
    /// What it is about; also the item's id.
    subject: String,
    /// The type of the frame.
    frame: &'static str,
    audience: Audience,
    created_at: Timestamp,
    /// What the frame has.
    data: Value,
    /// The kind of the item.
    kind: &'static str,
    /// What lists have of it, beside what the frame has.
    item: Value,
}

impl Message {
    /// Delivers it once however often, unless its life is over.
    async fn deliver(self, tx: &Tx, record: &Record, now: Timestamp) -> Result<(), HandlerError> {
        let expires_at = self.created_at.plus(LIFE);
        if expires_at <= now {
            return Ok(());
        }
        let mut listed = self.data.clone();
        if let (Some(listed), Value::Object(more)) = (listed.as_object_mut(), self.item) {
            listed.extend(more);
        }
        let (data, listed) = (raw(&self.data)?, raw(&listed)?);
        let times = (self.created_at, expires_at);
        let message =
            DeliveryRecord::message(record.event_id(), self.frame, self.subject, self.audience, times, data);
        deliver(tx, &following(record, message), Some(Item { kind: self.kind, data: &listed })).await?;
        Ok(())
    }
}

/// What a frame says, as lists can add to it.
fn value(data: &impl Serialize) -> Result<Value, HandlerError> {
    serde_json::to_value(data).map_err(HandlerError::reject)
}

fn raw(value: &Value) -> Result<Box<serde_json::value::RawValue>, HandlerError> {
    to_raw_value(value).map_err(HandlerError::reject)
}
