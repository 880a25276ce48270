//! Presence: who comes and who is gone is shown to the people they speak with.
//!
//! [`Watch`] writes one record with the conversations of who came or is gone; [`Partners`] shows it, in each gateway, to
//! who listens to one of them. Where nobody does, nothing is sent to anybody.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tidings::{
    Deps, Signal, Watcher,
    delivery::{SignalFrame, seen::Seen},
    log::Produce,
    model::{ConversationId, Record, Timestamp, UserId},
    store::StoreError,
};
use utoipa::ToSchema;

use crate::{
    api::channel,
    spoken::{PRESENCE, PresenceSaid},
    store,
};

/// Who came and who is gone; of our own gateways alone.
pub(crate) const TOPIC: &str = "tidings-signals";

/// The conversations of somebody whose members are shown it, those last spoken in.
const CONVERSATIONS: usize = 1000;
/// What is older when it is read is worth nothing.
const STALE_MILLIS: u64 = 10_000;

/// The value of a record of [`TOPIC`].
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Presence {
    #[schema(value_type = String)]
    user_id: UserId,
    // None while they are there.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_seen_at: Option<Timestamp>,
    #[schema(value_type = Vec<String>)]
    conversation_ids: Vec<ConversationId>,
    // Milliseconds since 1970.
    timestamp: i64,
}

/// Tells who came and who is gone.
pub(crate) struct Watch {
    pub(crate) deps: Deps,
}

impl Watch {
    /// The records of some people; who speaks with nobody has none.
    async fn records(&self, people: &[Seen]) -> Result<Vec<Produce>, StoreError> {
        let (people, timestamp) = (people.to_vec(), self.deps.clock.now().millis());
        let read = self.deps.store.read(move |tx| async move {
            let mut records = Vec::new();
            for Seen { user_id, last_seen_at } in people {
                let conversation_ids = store::ids(&tx, &user_id, CONVERSATIONS).await?;
                if !conversation_ids.is_empty() {
                    let key = Some(user_id.as_str().as_bytes().to_vec());
                    let presence = Presence { user_id, last_seen_at, conversation_ids, timestamp };
                    let value = serde_json::to_vec(&presence).ok();
                    records.push(Produce { topic: TOPIC.to_owned(), key, value, ..Produce::default() });
                }
            }
            Ok::<_, StoreError>(records)
        });
        read.await
    }
}

#[async_trait]
impl Watcher for Watch {
    async fn changed(&self, people: &[Seen]) {
        // Who is not told now sees it in the list.
        for record in self.records(people).await.unwrap_or_default() {
            self.deps.signals.send(record);
        }
    }
}

/// Shows who came and who is gone to who listens to a conversation of theirs.
pub(crate) struct Partners;

impl Signal for Partners {
    fn topic(&self) -> &'static str {
        TOPIC
    }

    fn take(&self, record: &Record, now: Timestamp) -> Option<SignalFrame> {
        let presence: Presence = serde_json::from_slice(record.value.as_deref()?).ok()?;
        let Presence { user_id, last_seen_at, conversation_ids, timestamp } = presence;
        if now.millis().abs_diff(timestamp) >= STALE_MILLIS {
            return None;
        }
        let online = last_seen_at.is_none();
        let data = json!(PresenceSaid { user_id: &user_id, online, last_seen_at });
        let channels = conversation_ids.into_iter().map(channel).collect();
        let frame = SignalFrame::new(channels, PRESENCE, Timestamp(timestamp), &data);
        Some(frame.except(Some(user_id)))
    }

    fn pass(&self, _now: Timestamp) -> Vec<SignalFrame> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(value: &[u8], now: i64) -> Option<SignalFrame> {
        let value = Some(value.to_vec());
        let (topic, time) = (TOPIC.to_owned(), Timestamp(0));
        let record = Record { topic, partition: 0, offset: 0, time, key: None, headers: Vec::new(), value };
        Partners.take(&record, Timestamp(now))
    }

    #[test]
    fn presence_is_shown_in_all_conversations_while_it_is_fresh() {
        let presence = Presence {
            user_id: "alice".parse().unwrap(),
            last_seen_at: Some(Timestamp(1_700_000_000_000)),
            conversation_ids: (0..2).map(|number| format!("cnv_{number:026}").parse().unwrap()).collect(),
            timestamp: 1_700_000_010_000,
        };
        let value = serde_json::to_vec(&presence).unwrap();
        let frame = take(&value, 1_700_000_019_999).unwrap();
        assert_eq!(frame.channels().len(), 2);
        assert!(!frame.is_for(&"alice".parse().unwrap()));
        let shown: serde_json::Value = serde_json::from_slice(frame.json()).unwrap();
        let data = json!({ "user_id": "alice", "online": false, "last_seen_at": "2023-11-14T22:13:20.000Z" });
        assert_eq!((&shown["data"], &shown["channel"]), (&data, &json!(null)));
        assert!(take(&value, 1_700_000_020_000).is_none());
        assert!(take(b"no json", 0).is_none());
    }
}
