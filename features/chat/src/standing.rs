//! How a message stands: who sent it is told who got it and who read it; nobody else is.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use serde::Serialize;
use tidings::{
    consumer::{Handler, HandlerError},
    delivery::{DeliveryRecord, Word, deliver, directory},
    model::{
        Audience, Channel, Clock, ConversationId, EventId, Ids, MessageId, Record, Timestamp, UserId, header,
        planted,
    },
    store::{Row, StoreError, Tx, params},
};
use utoipa::ToSchema;

use crate::{
    events::{GROUP, MessageStatus, STATUS_TOPIC, Status},
    messages,
    model::Message,
    receipts,
    spoken::STATUS,
    store,
};

/// What who sent a message is told.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Told<'a> {
    #[schema(value_type = String)]
    message_id: MessageId,
    #[schema(value_type = String)]
    conversation_id: ConversationId,
    status: Status,
    /// Whose word it is; in a group the last of those who gave theirs.
    #[schema(value_type = String)]
    user_id: &'a UserId,
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// All that its receiver sent up to this message stands like that.
    #[schema(value_type = String)]
    up_to: MessageId,
    /// Of a group: how many of its members have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered: Option<u64>,
    /// Of a group: how many of them read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    read: Option<u64>,
    /// Of a group: how many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<u64>,
}

/// Of how many members of a group a message is known to have been delivered and read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) delivered: u64,
    pub(crate) read: u64,
    pub(crate) of: u64,
}

impl Counts {
    /// How far all of them have come.
    pub(crate) const fn status(self) -> Status {
        match self {
            Self { of: 0, .. } => Status::Sent,
            Self { read, of, .. } if read >= of => Status::Read,
            Self { delivered, of, .. } if delivered >= of => Status::Delivered,
            _some => Status::Sent,
        }
    }
}

/// Turns statuses into what who sent is told.
pub(crate) struct Statuses {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<Ids>,
}

#[async_trait]
impl Handler for Statuses {
    fn name(&self) -> &'static str {
        "chat-statuses"
    }

    fn topic(&self) -> &'static str {
        STATUS_TOPIC
    }

    fn group(&self) -> &'static str {
        GROUP
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        let value = record.value.as_deref().ok_or_else(|| HandlerError::reject("the record has no value"))?;
        let event: MessageStatus = serde_json::from_slice(value).map_err(HandlerError::reject)?;
        let word = match event.status {
            // Who sent it was answered so.
            Status::Sent => return Ok(()),
            Status::Delivered => Word::Delivered,
            Status::Read => Word::Read,
        };
        let message = messages::find(tx, event.message_id).await?;
        let Some(message) = message.filter(|message| message.conversation_id == event.conversation_id) else {
            let detail =
                format!("no message {} in a conversation {}", event.message_id, event.conversation_id);
            return Err(HandlerError::reject(detail));
        };
        let (user, now) = (&event.user_id, self.clock.now());
        if message.sender_id == *user {
            return Err(HandlerError::reject(format!("{user} said it, and neither receives nor reads it")));
        }
        if record.header(header::SOURCE) != Some("tidings") {
            // Another program's word moves the member, and is announced as ours then.
            directory::hold(tx, user).await?;
            let place = (message.conversation_id, user);
            if store::standing_of(tx, message.conversation_id, user).await?.is_none() {
                return Err(HandlerError::reject(format!("{user} is no member of this conversation")));
            }
            receipts::advance(tx, &self.ids, place, (word, message.seq), now).await?;
            return Ok(());
        }
        let Some(conversation) = store::find(tx, message.conversation_id).await? else { return Ok(()) };
        if conversation.pair.is_some() {
            tell(tx, record.event_id(), &message, (word, user), None, event.timestamp).await?;
        } else {
            note(tx, &message, (word, user), now).await?;
        }
        Ok(())
    }
}

/// Notes that the counts of a group's message changed; its sender is told within a second.
async fn note(
    tx: &Tx,
    message: &Message,
    (word, user): (Word, &UserId),
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO chat_standings_due (message_id, word, user_id, due_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (message_id) DO UPDATE SET word = excluded.word, user_id = excluded.user_id",
        params![
            message.id.to_string(),
            if word == Word::Read { "read" } else { "delivered" },
            user.as_str(),
            now.plus(crate::schedule::PAUSE)
        ],
    )
    .await?;
    Ok(())
}

/// Tells who sent a message how it stands.
pub(crate) async fn tell(
    tx: &Tx,
    event_id: EventId,
    message: &Message,
    (word, user): (Word, &UserId),
    counts: Option<Counts>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let told = Told {
        message_id: message.id,
        conversation_id: message.conversation_id,
        status: word.into(),
        user_id: user,
        timestamp: at,
        up_to: message.id,
        delivered: counts.map(|counts| counts.delivered),
        read: counts.map(|counts| counts.read),
        of: counts.map(|counts| counts.of),
    };
    let data = serde_json::value::to_raw_value(&told).unwrap_or_default();
    let mut audience = Audience::of(Channel::User(message.sender_id.clone()));
    if planted::is("reader_is_told") {
        audience.any.push(Channel::User(user.clone()));
    }
    let change = DeliveryRecord::change(event_id, STATUS, message.id.to_string(), audience, at, data);
    deliver(tx, &change, None).await?;
    Ok(())
}

/// How a message stands with the other members who saw it.
pub(crate) async fn counts(tx: &Tx, message: &Message) -> Result<Counts, StoreError> {
    let range = (message.seq, message.seq);
    let found = counts_within(tx, (message.conversation_id, &message.sender_id), range).await?;
    Ok(found.get(&message.seq).copied().unwrap_or_default())
}

/// How what somebody said from one number to another stands, by number; nothing where no other member saw it.
pub(crate) async fn counts_within(
    tx: &Tx,
    (conversation, sender): (ConversationId, &UserId),
    (from, upto): (u64, u64),
) -> Result<BTreeMap<u64, Counts>, StoreError> {
    let rows = tx
        .query(
            "SELECT m.seq, COUNT(*),
                    SUM(CASE WHEN o.delivered_seq >= m.seq THEN 1 ELSE 0 END),
                    SUM(CASE WHEN o.read_seq >= m.seq THEN 1 ELSE 0 END)
             FROM chat_messages m
             JOIN conversation_members o
               ON o.conversation_id = m.conversation_id AND o.joined_seq < m.seq AND o.user_id <> m.sender_id
             WHERE m.conversation_id = $1 AND m.sender_id = $2 AND m.seq >= $3 AND m.seq <= $4
             GROUP BY m.seq",
            params![conversation.to_string(), sender.as_str(), from, upto],
        )
        .await?;
    let counts =
        |row: &Row| Ok((row.get(0)?, Counts { of: row.get(1)?, delivered: row.get(2)?, read: row.get(3)? }));
    rows.iter().map(counts).collect()
}
