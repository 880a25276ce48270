//! What happens with the record of a message: one delivery to its conversation.
//!
//! A record of ours names a message that lies in the database. Another program's becomes one, where its conversation is
//! there and it is clear who says it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tidings::{
    consumer::{Handler, HandlerError},
    delivery::{DeliveryRecord, deliver},
    derived, following,
    model::{Audience, Channel, Clock, EventId, MessageId, Record, Timestamp, UserId, planted},
    store::Tx,
};

use crate::{
    events::{ChatMessage, GROUP, MESSAGES_TOPIC},
    messages::{self, New},
    model::{Conversation, Message, Saying},
    notices,
    spoken::{CREATED, MessageCreated},
    store,
};

/// How long a message is pending for who has not got it; it stays in its conversation.
const LIFE: Duration = Duration::from_hours(30 * 24);

/// Delivers messages.
pub(crate) struct Messages {
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Handler for Messages {
    fn name(&self) -> &'static str {
        "chat-messages"
    }

    fn topic(&self) -> &'static str {
        MESSAGES_TOPIC
    }

    fn group(&self) -> &'static str {
        GROUP
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        let value = record.value.as_deref().ok_or_else(|| HandlerError::reject("the record has no value"))?;
        let said: ChatMessage = serde_json::from_slice(value).map_err(HandlerError::reject)?;
        let now = self.clock.now();
        let event_id = record.event_id();
        // The future is no time at which something was said.
        let created_at = said.created_at.unwrap_or(record.time).min(now);
        let id = said.message_id.unwrap_or_else(|| derived(&[GROUP, event_id.as_str()], created_at));
        let message = match messages::find(tx, id).await? {
            Some(known) if known.conversation_id != said.conversation_id => {
                return Err(HandlerError::reject(format!("{id} belongs to another conversation")));
            }
            // It has a record of its own.
            Some(known) if known.event_id != event_id => return Ok(()),
            Some(known) => known,
            None => foreign(tx, said, (id, event_id), created_at).await?,
        };
        let expires_at = message.created_at.plus(LIFE);
        if expires_at <= now {
            return Ok(());
        }
        let delivery = following(record, delivery(&message, expires_at)?);
        if !planted::one_in("chat_passed_over", 100) {
            deliver(tx, &delivery, None).await?;
        }
        if planted::one_in("chat_told_twice", 100) {
            let twin: MessageId = derived(&["twice", delivery.event_id.as_str()], now);
            let event_id = twin.to_string().parse().map_err(HandlerError::reject)?;
            deliver(tx, &DeliveryRecord { event_id, ..delivery }, None).await?;
        }
        notices::note(tx, message.conversation_id, now).await?;
        Ok(())
    }
}

fn delivery(message: &Message, expires_at: Timestamp) -> Result<DeliveryRecord, HandlerError> {
    let data =
        serde_json::value::to_raw_value(&MessageCreated::from(message)).map_err(HandlerError::reject)?;
    Ok(DeliveryRecord::message(
        message.event_id.clone(),
        CREATED,
        message.id.to_string(),
        Audience::of(Channel::Conversation(message.conversation_id.to_string())),
        (message.created_at, expires_at),
        data,
    ))
}

/// Makes another program's record a message.
async fn foreign(
    tx: &Tx,
    said: ChatMessage,
    (id, event_id): (MessageId, EventId),
    created_at: Timestamp,
) -> Result<Message, HandlerError> {
    let saying = Saying { content: said.content, client_id: None };
    saying.check().map_err(HandlerError::reject)?;
    store::hold(tx, said.conversation_id).await?;
    let conversation = store::find(tx, said.conversation_id)
        .await?
        .ok_or_else(|| HandlerError::reject(format!("no conversation {}", said.conversation_id)))?;
    let sender_id = sender(&conversation, said.sender_id, said.recipient_id.as_ref())?;
    if store::standing_of(tx, conversation.id, &sender_id).await?.is_none() {
        return Err(HandlerError::reject(format!("{sender_id} is no member of {}", conversation.id)));
    }
    Ok(messages::put(tx, &conversation, New { id, event_id, sender_id, saying, created_at }).await?)
}

/// Who says it: who is named, or the other one of the two.
fn sender(
    conversation: &Conversation,
    named: Option<UserId>,
    recipient: Option<&UserId>,
) -> Result<UserId, HandlerError> {
    if let Some(sender) = named {
        return Ok(sender);
    }
    let other = conversation.pair.as_ref().zip(recipient).and_then(|(pair, to)| pair.partner(to));
    other.cloned().ok_or_else(|| {
        let id = conversation.id;
        HandlerError::reject(format!(
            "who says it is not clear: name `senderId`, or, where {id} is of two people, the other as `recipientId`"
        ))
    })
}
