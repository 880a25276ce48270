//! Messages in the database: each has the next number of its conversation.

use tidings::{
    model::{ConversationId, EventId, MessageId, Timestamp, UserId, planted},
    store::{Row, StoreError, Tx, params},
};

use crate::model::{Conversation, Message, Saying};

fn message(row: &Row) -> Result<Message, StoreError> {
    Ok(Message {
        id: row.parse(0)?,
        conversation_id: row.parse(1)?,
        seq: row.get(2)?,
        sender_id: row.parse(3)?,
        client_id: row.get(4)?,
        content: row.get(5)?,
        event_id: row.parse(6)?,
        created_at: row.get(7)?,
    })
}

/// A new message, before its conversation gives it a number.
#[derive(Clone, Debug)]
pub(crate) struct New {
    pub(crate) id: MessageId,
    pub(crate) event_id: EventId,
    pub(crate) sender_id: UserId,
    pub(crate) saying: Saying,
    pub(crate) created_at: Timestamp,
}

/// Writes a message as the next of its conversation, which this transaction holds.
pub(crate) async fn put(tx: &Tx, conversation: &Conversation, new: New) -> Result<Message, StoreError> {
    let New { id, event_id, sender_id, saying, created_at } = new;
    let message = Message {
        id,
        conversation_id: conversation.id,
        seq: conversation.last_seq + if planted::one_in("chat_number_skipped", 100) { 2 } else { 1 },
        sender_id,
        client_id: saying.client_id,
        content: saying.content,
        event_id,
        created_at,
    };
    tx.execute(
        "INSERT INTO chat_messages (message_id, conversation_id, seq, sender_id, client_id, content, event_id,
                                    created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        params![
            message.id.to_string(),
            message.conversation_id.to_string(),
            message.seq,
            message.sender_id.as_str(),
            message.client_id.as_deref(),
            &message.content,
            message.event_id.as_str(),
            message.created_at
        ],
    )
    .await?;
    tx.execute(
        "UPDATE conversations SET last_seq = $2, last_at = $3 WHERE conversation_id = $1",
        params![message.conversation_id.to_string(), message.seq, message.created_at],
    )
    .await?;
    if planted::is("delivered_unheard") {
        tx.execute(
            "UPDATE conversation_members SET delivered_seq = $2 WHERE conversation_id = $1",
            params![message.conversation_id.to_string(), message.seq],
        )
        .await?;
    }
    Ok(message)
}

pub(crate) async fn find(tx: &Tx, id: MessageId) -> Result<Option<Message>, StoreError> {
    let row = tx
        .optional(
            "SELECT message_id, conversation_id, seq, sender_id, client_id, content, event_id, created_at
             FROM chat_messages
             WHERE message_id = $1",
            params![id.to_string()],
        )
        .await?;
    row.as_ref().map(message).transpose()
}

/// The message of a conversation that has this number.
pub(crate) async fn at(tx: &Tx, id: ConversationId, seq: u64) -> Result<Option<Message>, StoreError> {
    let row = tx
        .optional(
            "SELECT message_id, conversation_id, seq, sender_id, client_id, content, event_id, created_at
             FROM chat_messages
             WHERE conversation_id = $1 AND seq = $2",
            params![id.to_string(), seq],
        )
        .await?;
    row.as_ref().map(message).transpose()
}

/// What somebody's device called so in a conversation.
pub(crate) async fn named(
    tx: &Tx,
    id: ConversationId,
    sender: &UserId,
    client_id: &str,
) -> Result<Option<Message>, StoreError> {
    let row = tx
        .optional(
            "SELECT message_id, conversation_id, seq, sender_id, client_id, content, event_id, created_at
             FROM chat_messages
             WHERE conversation_id = $1 AND sender_id = $2 AND client_id = $3",
            params![id.to_string(), sender.as_str(), client_id],
        )
        .await?;
    row.as_ref().map(message).transpose()
}

/// Messages after one number and before another, the newest first.
pub(crate) async fn before(
    tx: &Tx,
    id: ConversationId,
    (after, before): (u64, u64),
    limit: usize,
) -> Result<Vec<Message>, StoreError> {
    let rows = tx
        .query(
            "SELECT message_id, conversation_id, seq, sender_id, client_id, content, event_id, created_at
             FROM chat_messages
             WHERE conversation_id = $1 AND seq > $2 AND seq < $3
             ORDER BY seq DESC
             LIMIT $4",
            params![id.to_string(), after, before, limit],
        )
        .await?;
    rows.iter().map(message).collect()
}

/// How many messages of others lie behind a number: what somebody who read that far has not read.
pub(crate) async fn unread(
    tx: &Tx,
    id: ConversationId,
    user: &UserId,
    after: u64,
) -> Result<u64, StoreError> {
    let row = tx
        .one(
            "SELECT COUNT(*) FROM chat_messages WHERE conversation_id = $1 AND seq > $2 AND sender_id <> $3",
            params![id.to_string(), after, user.as_str()],
        )
        .await?;
    row.get(0)
}

/// Messages of others after one number and up to another, in their order: their ids and numbers.
pub(crate) async fn of_others(
    tx: &Tx,
    id: ConversationId,
    user: &UserId,
    (after, upto): (u64, u64),
    limit: usize,
) -> Result<Vec<(MessageId, u64)>, StoreError> {
    let rows = tx
        .query(
            "SELECT message_id, seq
             FROM chat_messages
             WHERE conversation_id = $1 AND seq > $2 AND seq <= $3 AND sender_id <> $4
             ORDER BY seq
             LIMIT $5",
            params![id.to_string(), after, upto, user.as_str(), limit],
        )
        .await?;
    rows.iter().map(|row| Ok((row.parse(0)?, row.get(1)?))).collect()
}
