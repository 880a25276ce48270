//! What a conversation adds up to: how far all of its members have come, and how long that took.

use std::collections::BTreeMap;

use tidings::{
    model::{ConversationId, Timestamp, UserId},
    store::{StoreError, Tx, params},
};

use crate::{
    messages,
    model::{Conversation, Message, Standing},
    store,
};

/// The newest messages whose times are looked at; fewer where many members answer each.
const NEWEST: usize = 200;
/// Steps of members that are looked at.
const STEPS: usize = 20_000;

/// What a conversation adds up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stats {
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) read: u64,
    pub(crate) median_delivered_ms: Option<u64>,
    pub(crate) median_read_ms: Option<u64>,
}

/// What a member did with a message: when they got it, and when they read it.
pub(crate) type Receipt = (UserId, Option<Timestamp>, Option<Timestamp>);

/// What each of the others who saw a message said did with it, by id.
pub(crate) async fn receipts(tx: &Tx, message: &Message) -> Result<Vec<Receipt>, StoreError> {
    let rows = tx
        .query(
            "SELECT m.user_id,
                    (SELECT s.at FROM chat_steps s
                     WHERE s.conversation_id = m.conversation_id AND s.user_id = m.user_id
                       AND s.word = 'delivered' AND s.seq >= $2
                     ORDER BY s.seq LIMIT 1),
                    (SELECT s.at FROM chat_steps s
                     WHERE s.conversation_id = m.conversation_id AND s.user_id = m.user_id
                       AND s.word = 'read' AND s.seq >= $2
                     ORDER BY s.seq LIMIT 1)
             FROM conversation_members m
             WHERE m.conversation_id = $1 AND m.joined_seq < $2 AND m.user_id <> $3
             ORDER BY m.user_id",
            params![message.conversation_id.to_string(), message.seq, message.sender_id.as_str()],
        )
        .await?;
    rows.iter().map(|row| Ok((row.parse(0)?, row.get(1)?, row.get(2)?))).collect()
}

/// What a conversation adds up to now.
pub(crate) async fn of(tx: &Tx, conversation: &Conversation) -> Result<Stats, StoreError> {
    let members = store::members(tx, conversation.id).await?;
    let delivered = with_all(tx, conversation.id, &members, |standing| standing.delivered).await?;
    let read = with_all(tx, conversation.id, &members, |standing| standing.read).await?;
    let newest = (STEPS / members.len().max(1)).clamp(1, NEWEST);
    let said =
        messages::before(tx, conversation.id, (0, conversation.last_seq.saturating_add(1)), newest).await?;
    let steps = steps(tx, conversation.id, said.last().map_or(0, |oldest| oldest.seq)).await?;
    Ok(Stats {
        sent: conversation.last_seq,
        delivered,
        read,
        median_delivered_ms: median(took(&said, &members, &steps, "delivered")),
        median_read_ms: median(took(&said, &members, &steps, "read")),
    })
}

/// How many messages all members but their sender have come to.
async fn with_all(
    tx: &Tx,
    id: ConversationId,
    members: &[(UserId, Standing)],
    far: impl Fn(&Standing) -> u64,
) -> Result<u64, StoreError> {
    let mut order: Vec<(u64, &UserId)> = members.iter().map(|(user, at)| (far(at), user)).collect();
    order.sort_unstable();
    // What the last of all has come to; what the last of all others has, of messages which that one sent.
    let (Some((all, last)), Some((others, _))) = (order.first(), order.get(1)) else { return Ok(0) };
    let row = tx
        .one(
            "SELECT COUNT(*)
             FROM chat_messages
             WHERE conversation_id = $1 AND (seq <= $2 OR (sender_id = $3 AND seq <= $4))",
            params![id.to_string(), *all, last.as_str(), *others],
        )
        .await?;
    row.get(0)
}

/// How far people came, and when: by person and word, in order.
type Steps = BTreeMap<(UserId, String), Vec<(u64, Timestamp)>>;

async fn steps(tx: &Tx, id: ConversationId, from: u64) -> Result<Steps, StoreError> {
    let rows = tx
        .query(
            "SELECT user_id, word, seq, at
             FROM chat_steps
             WHERE conversation_id = $1 AND seq >= $2
             ORDER BY seq
             LIMIT $3",
            params![id.to_string(), from, 2 * STEPS],
        )
        .await?;
    let mut steps = Steps::new();
    for row in &rows {
        let of = steps.entry((row.parse(0)?, row.get(1)?)).or_default();
        of.push((row.get(2)?, row.get(3)?));
    }
    Ok(steps)
}

/// How long each of these messages took to each other member, in milliseconds.
fn took(said: &[Message], members: &[(UserId, Standing)], steps: &Steps, word: &str) -> Vec<u64> {
    let mut times = Vec::new();
    for (user, standing) in members {
        let Some(steps) = steps.get(&(user.clone(), word.to_owned())) else { continue };
        for message in said.iter().filter(|said| said.sender_id != *user && said.seq > standing.joined) {
            let first = steps.partition_point(|(seq, _)| *seq < message.seq);
            if let Some((_, at)) = steps.get(first) {
                times.push(u64::try_from(at.since(message.created_at).as_millis()).unwrap_or(u64::MAX));
            }
        }
    }
    times
}

fn median(mut times: Vec<u64>) -> Option<u64> {
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_what_there_is() {
        assert_eq!(median(Vec::new()), None);
        assert_eq!(median(vec![7]), Some(7));
        assert_eq!(median(vec![9, 1, 5]), Some(5));
        assert_eq!(median(vec![9, 1, 5, 7]), Some(5));
    }
}
