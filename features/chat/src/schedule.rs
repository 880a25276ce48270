//! Who sent a message to a group is told at most once a second how it stands, however many confirm it.

use std::{sync::Arc, time::Duration};

use tidings::{
    Due, Schedule,
    delivery::Word,
    model::{Ids, MessageId, Timestamp, UserId},
    store::{Tx, params},
};

use crate::{
    messages,
    standing::{counts, tell},
};

/// How long confirmations of a message are gathered before its sender is told.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);
/// Messages that one transaction tells of.
const SLICE: usize = 50;

/// Tells how the messages of groups stand.
pub(crate) struct Standings {
    pub(crate) ids: Arc<Ids>,
}

impl Schedule for Standings {
    fn name(&self) -> &'static str {
        "chat-standings"
    }

    fn run<'a>(&'a self, tx: &'a Tx, now: Timestamp) -> Due<'a> {
        Box::pin(async move {
            let due = tx
                .query(
                    "SELECT message_id, word, user_id
                     FROM chat_standings_due
                     WHERE due_at <= $1
                     ORDER BY due_at, message_id
                     LIMIT $2",
                    params![now, SLICE],
                )
                .await?;
            for row in &due {
                let (id, user): (MessageId, UserId) = (row.parse(0)?, row.parse(2)?);
                let word = if row.get::<String>(1)? == "read" { Word::Read } else { Word::Delivered };
                // Gone before it is counted: who confirms meanwhile is counted here, or notes it anew.
                let taken = tx
                    .execute("DELETE FROM chat_standings_due WHERE message_id = $1", params![id.to_string()])
                    .await?;
                if let (1, Some(message)) = (taken, messages::find(tx, id).await?) {
                    let counts = counts(tx, &message).await?;
                    tell(tx, self.ids.event(), &message, (word, &user), Some(counts), now).await?;
                }
            }
            let next = tx.one("SELECT MIN(due_at) FROM chat_standings_due", params![]).await?;
            next.get(0)
        })
    }
}
