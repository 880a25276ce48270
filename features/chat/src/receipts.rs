//! How far a member has come: forward only, by a client's own word, and announced to who sent what was confirmed.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use tidings::{
    delivery::{Witness, Word},
    model::{ConversationId, Ids, MessageId, Timestamp, UserId, planted},
    store::{StoreError, Tx, params},
};

use crate::{events, messages, notices, store};

/// Moves members forward by what their clients confirm.
pub(crate) struct Members {
    pub(crate) ids: Arc<Ids>,
}

#[async_trait]
impl Witness for Members {
    async fn confirmed(
        &self,
        tx: &Tx,
        user: &UserId,
        messages: &[String],
        word: Word,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut newest: BTreeMap<ConversationId, u64> = BTreeMap::new();
        for id in messages.iter().filter_map(|text| text.parse().ok()) {
            if let Some((conversation, seq)) = place_of(tx, id).await? {
                let far = newest.entry(conversation).or_default();
                *far = seq.max(*far);
            }
        }
        for (conversation, seq) in newest {
            advance(tx, &self.ids, (conversation, user), (word, seq), now).await?;
        }
        Ok(())
    }
}

async fn place_of(tx: &Tx, id: MessageId) -> Result<Option<(ConversationId, u64)>, StoreError> {
    let row = tx
        .optional(
            "SELECT conversation_id, seq FROM chat_messages WHERE message_id = $1",
            params![id.to_string()],
        )
        .await?;
    row.map(|row| Ok((row.parse(0)?, row.get(1)?))).transpose()
}

/// Moves a member up to a message, and announces it to who sent what they had not confirmed before. Nothing happens where
/// they were that far, or are no member. The person is held.
pub(crate) async fn advance(
    tx: &Tx,
    ids: &Ids,
    (conversation, user): (ConversationId, &UserId),
    (word, seq): (Word, u64),
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(standing) = store::standing_of(tx, conversation, user).await? else { return Ok(()) };
    let came_from = match word {
        Word::Delivered => standing.delivered,
        Word::Read => standing.read,
    };
    if seq <= came_from && !planted::is("status_goes_back") {
        return Ok(());
    }
    if word == Word::Read {
        step(tx, (conversation, user), ("read", seq), now).await?;
        notices::read(tx, ids, (conversation, user), now).await?;
    }
    // Who read it has it.
    if standing.delivered < seq {
        step(tx, (conversation, user), ("delivered", seq), now).await?;
    }
    tx.execute(
        "UPDATE conversation_members SET delivered_seq = $3, read_seq = $4
         WHERE conversation_id = $1 AND user_id = $2",
        params![
            conversation.to_string(),
            user.as_str(),
            seq.max(standing.delivered),
            if word == Word::Read { seq } else { standing.read }
        ],
    )
    .await?;
    let came_from = if planted::is("status_goes_back") { 0 } else { came_from };
    for newest in newest_of_others(tx, conversation, user, (came_from, seq)).await? {
        if let Some(message) = messages::at(tx, conversation, newest).await? {
            let status = (user, events::Status::from(word));
            tx.put_event(&events::stands(ids.event(), &message, status, now)).await?;
        }
    }
    Ok(())
}

async fn step(
    tx: &Tx,
    (conversation, user): (ConversationId, &UserId),
    (word, seq): (&'static str, u64),
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO chat_steps (conversation_id, user_id, word, seq, at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT DO NOTHING",
        params![conversation.to_string(), user.as_str(), word, seq, now],
    )
    .await?;
    Ok(())
}

/// The newest message of each other sender after one number and up to another.
async fn newest_of_others(
    tx: &Tx,
    conversation: ConversationId,
    user: &UserId,
    (after, upto): (u64, u64),
) -> Result<Vec<u64>, StoreError> {
    let rows = tx
        .query(
            "SELECT MAX(seq)
             FROM chat_messages
             WHERE conversation_id = $1 AND seq > $2 AND seq <= $3 AND sender_id <> $4
             GROUP BY sender_id
             ORDER BY 1",
            params![conversation.to_string(), after, upto, user.as_str()],
        )
        .await?;
    rows.iter().map(|row| row.get(0)).collect()
}
