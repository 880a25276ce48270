//! Conversations and their members in the database.

use tidings::{
    model::{ConversationId, Timestamp, UserId},
    store::{Row, StoreError, Tx, params},
};

use crate::model::{Conversation, Pair, Standing};

fn conversation(row: &Row) -> Result<Conversation, StoreError> {
    let wrong = || StoreError::Row { column: 1, found: "another text", wanted: "two people" };
    let pair = match row.get::<Option<String>>(1)? {
        Some(text) => Some(serde_json::from_str::<Pair>(&text).map_err(|_cause| wrong())?),
        None => None,
    };
    Ok(Conversation {
        id: row.parse(0)?,
        pair,
        title: row.get(2)?,
        created_by: row.parse(3)?,
        created_at: row.get(4)?,
        last_seq: row.get(5)?,
        last_at: row.get(6)?,
    })
}

fn standing(row: &Row, from: usize) -> Result<Standing, StoreError> {
    Ok(Standing { joined: row.get(from)?, delivered: row.get(from + 1)?, read: row.get(from + 2)? })
}

/// Holds a conversation: who speaks, comes or goes does it one after the other.
pub(crate) async fn hold(tx: &Tx, id: ConversationId) -> Result<(), StoreError> {
    tx.lock("conversation", &id.to_string()).await
}

/// Writes a conversation, unless it is there.
pub(crate) async fn put(tx: &Tx, conversation: &Conversation) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO conversations (conversation_id, pair, title, created_by, created_at, last_seq, last_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (conversation_id) DO NOTHING",
        params![
            conversation.id.to_string(),
            conversation.pair.as_ref().map(Pair::key),
            conversation.title.as_deref(),
            conversation.created_by.as_str(),
            conversation.created_at,
            conversation.last_seq,
            conversation.last_at
        ],
    )
    .await?;
    Ok(())
}

pub(crate) async fn find(tx: &Tx, id: ConversationId) -> Result<Option<Conversation>, StoreError> {
    let row = tx
        .optional(
            "SELECT conversation_id, pair, title, created_by, created_at, last_seq, last_at
             FROM conversations
             WHERE conversation_id = $1",
            params![id.to_string()],
        )
        .await?;
    row.as_ref().map(conversation).transpose()
}

/// The conversation of two people. Nobody else makes one of theirs until the transaction is over.
pub(crate) async fn of_pair(tx: &Tx, pair: &Pair) -> Result<Option<Conversation>, StoreError> {
    let key = pair.key();
    tx.lock("pair", &key).await?;
    let row = tx
        .optional(
            "SELECT conversation_id, pair, title, created_by, created_at, last_seq, last_at
             FROM conversations
             WHERE pair = $1",
            params![key],
        )
        .await?;
    row.as_ref().map(conversation).transpose()
}

/// A conversation as one of its members has it; none for who is no member.
pub(crate) async fn of_member(
    tx: &Tx,
    id: ConversationId,
    user: &UserId,
) -> Result<Option<(Conversation, Standing)>, StoreError> {
    let Some(standing) = standing_of(tx, id, user).await? else { return Ok(None) };
    Ok(find(tx, id).await?.map(|found| (found, standing)))
}

/// How far a member has come; none for who is no member.
pub(crate) async fn standing_of(
    tx: &Tx,
    id: ConversationId,
    user: &UserId,
) -> Result<Option<Standing>, StoreError> {
    let row = tx
        .optional(
            "SELECT joined_seq, delivered_seq, read_seq
             FROM conversation_members
             WHERE conversation_id = $1 AND user_id = $2",
            params![id.to_string(), user.as_str()],
        )
        .await?;
    row.map(|row| standing(&row, 0)).transpose()
}

/// Makes people members: they see what follows the message `seq`. Who is one stays as they are.
pub(crate) async fn join(tx: &Tx, id: ConversationId, users: &[UserId], seq: u64) -> Result<(), StoreError> {
    for user in users {
        tx.execute(
            "INSERT INTO conversation_members (conversation_id, user_id, joined_seq, delivered_seq, read_seq)
             VALUES ($1, $2, $3, $3, $3)
             ON CONFLICT (conversation_id, user_id) DO NOTHING",
            params![id.to_string(), user.as_str(), seq],
        )
        .await?;
    }
    Ok(())
}

/// Takes somebody out of a conversation.
pub(crate) async fn leave(tx: &Tx, id: ConversationId, user: &UserId) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM conversation_members WHERE conversation_id = $1 AND user_id = $2",
        params![id.to_string(), user.as_str()],
    )
    .await?;
    Ok(())
}

/// How many people a conversation has.
pub(crate) async fn size(tx: &Tx, id: ConversationId) -> Result<u64, StoreError> {
    let row = tx
        .one("SELECT COUNT(*) FROM conversation_members WHERE conversation_id = $1", params![id.to_string()])
        .await?;
    row.get(0)
}

/// The members of a conversation, by id; there are never more than a thousand.
pub(crate) async fn members(tx: &Tx, id: ConversationId) -> Result<Vec<(UserId, Standing)>, StoreError> {
    let rows = tx
        .query(
            "SELECT user_id, joined_seq, delivered_seq, read_seq
             FROM conversation_members
             WHERE conversation_id = $1
             ORDER BY user_id",
            params![id.to_string()],
        )
        .await?;
    rows.iter().map(|row| Ok((row.parse(0)?, standing(row, 1)?))).collect()
}

/// Somebody's conversations, the last one spoken in first; `before` is when that was in the last one of the page
/// before, and its id.
pub(crate) async fn list(
    tx: &Tx,
    user: &UserId,
    before: Option<(Timestamp, ConversationId)>,
    limit: usize,
) -> Result<Vec<(Conversation, Standing)>, StoreError> {
    let (at, id) = match before {
        Some((at, id)) => (Some(at), id.to_string()),
        None => (None, String::new()),
    };
    let rows = tx
        .query(
            "SELECT c.conversation_id, c.pair, c.title, c.created_by, c.created_at, c.last_seq, c.last_at,
                    m.joined_seq, m.delivered_seq, m.read_seq
             FROM conversation_members m
             JOIN conversations c ON c.conversation_id = m.conversation_id
             WHERE m.user_id = $1
               AND (CAST($2 AS BIGINT) IS NULL OR c.last_at < $2
                    OR (c.last_at = $2 AND c.conversation_id < $3))
             ORDER BY c.last_at DESC, c.conversation_id DESC
             LIMIT $4",
            params![user.as_str(), at, id, limit],
        )
        .await?;
    rows.iter().map(|row| Ok((conversation(row)?, standing(row, 7)?))).collect()
}

/// The ids of somebody's conversations, the last one spoken in first.
pub(crate) async fn ids(tx: &Tx, user: &UserId, limit: usize) -> Result<Vec<ConversationId>, StoreError> {
    let rows = tx
        .query(
            "SELECT c.conversation_id
             FROM conversation_members m
             JOIN conversations c ON c.conversation_id = m.conversation_id
             WHERE m.user_id = $1
             ORDER BY c.last_at DESC, c.conversation_id DESC
             LIMIT $2",
            params![user.as_str(), limit],
        )
        .await?;
    rows.iter().map(|row| row.parse(0)).collect()
}
