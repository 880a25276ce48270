//! Notices: who is not online when something is said is notified, once until they have read.
//!
//! What was said leaves a note with its delivery; the schedule looks at the members, slice after slice, and announces a
//! notification for each who is away. The handler makes it an item of their inbox, where other programs' are too.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::json;
use tidings::{
    Due, Online, Schedule,
    consumer::{Handler, HandlerError},
    delivery::{DeliveryRecord, Item, ItemCreated, Person, Witnesses, deliver, directory, inbox, receipts},
    derived, following,
    model::{Audience, Channel, Clock, ConversationId, Ids, NotificationId, Record, Timestamp, UserId},
    store::{StoreError, Tx, params},
};

use crate::{
    events::{self, GROUP, NOTICES_TOPIC, Notice},
    messages,
    model::Conversation,
    spoken::NOTIFIED,
    store,
};

/// The kind of the inbox items.
const ITEM: &str = "notification";
/// How long a notification is pending for who has not got it.
const LIFE: Duration = Duration::from_hours(30 * 24);
/// Members whom one transaction looks at.
const SLICE: usize = 100;
/// Characters of a message that its notification shows.
const SHOWN: usize = 200;

/// Notes, with the delivery of a message, that its conversation's members are to be looked at.
pub(crate) async fn note(tx: &Tx, id: ConversationId, now: Timestamp) -> Result<(), StoreError> {
    due(tx, id, "", now).await
}

async fn due(tx: &Tx, id: ConversationId, after: &str, at: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO chat_notices_due (conversation_id, after_user, due_at) VALUES ($1, $2, $3)
         ON CONFLICT (conversation_id) DO UPDATE SET after_user = excluded.after_user",
        params![id.to_string(), after, at],
    )
    .await?;
    Ok(())
}

/// Announces notifications to members who are away.
pub(crate) struct Away {
    pub(crate) ids: Arc<Ids>,
    pub(crate) online: Online,
}

impl Schedule for Away {
    fn name(&self) -> &'static str {
        "chat-notices"
    }

    fn run<'a>(&'a self, tx: &'a Tx, now: Timestamp) -> Due<'a> {
        Box::pin(async move {
            let noted = tx
                .optional(
                    "SELECT conversation_id, after_user
                     FROM chat_notices_due
                     WHERE due_at <= $1
                     ORDER BY due_at, conversation_id
                     LIMIT 1",
                    params![now],
                )
                .await?;
            let Some(noted) = noted else { return Ok(None) };
            let (id, after): (ConversationId, String) = (noted.parse(0)?, noted.get(1)?);
            // Gone before anybody is looked at: what is said meanwhile notes it anew.
            tx.execute("DELETE FROM chat_notices_due WHERE conversation_id = $1", params![id.to_string()])
                .await?;
            if let Some(conversation) = store::find(tx, id).await? {
                self.look(tx, &conversation, &after, now).await?;
            }
            Ok(Some(now))
        })
    }
}

impl Away {
    /// Looks at a slice of the members who have not read everything and were not notified of it.
    async fn look(
        &self,
        tx: &Tx,
        conversation: &Conversation,
        after: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let rows = tx
            .query(
                "SELECT user_id, read_seq
                 FROM conversation_members
                 WHERE conversation_id = $1 AND user_id > $2 AND read_seq < $3 AND notice_id IS NULL
                 ORDER BY user_id
                 LIMIT $4",
                params![conversation.id.to_string(), after, conversation.last_seq, SLICE],
            )
            .await?;
        for row in &rows {
            let (user, read): (UserId, u64) = (row.parse(0)?, row.get(1)?);
            let unread =
                messages::of_others(tx, conversation.id, &user, (read, conversation.last_seq), 1).await?;
            let Some((_, first)) = unread.first() else { continue };
            if self.online.is(tx, &user).await? {
                continue;
            }
            let Some(message) = messages::at(tx, conversation.id, *first).await? else { continue };
            let sender = directory::find(tx, &message.sender_id).await?;
            let sender = sender.map_or_else(|| message.sender_id.to_string(), |known| known.display_name);
            let notice = Notice {
                id: Some(self.ids.notification().to_string()),
                user_id: user,
                title: conversation.title.clone().unwrap_or(sender),
                content: message.content.chars().take(SHOWN).collect(),
                kind: "NEW_MESSAGE".to_owned(),
                related_entity_id: Some(conversation.id.to_string()),
                read: false,
                created_at: Some(now),
            };
            // Unless they have read it meanwhile.
            let noted = tx
                .execute(
                    "UPDATE conversation_members SET notice_id = $3
                     WHERE conversation_id = $1 AND user_id = $2 AND read_seq = $4 AND notice_id IS NULL",
                    params![conversation.id.to_string(), notice.user_id.as_str(), notice.id.as_deref(), read],
                )
                .await?;
            if noted == 1 {
                tx.put_event(&events::notice(self.ids.event(), &notice, now)).await?;
            }
        }
        match rows.last().filter(|_| rows.len() == SLICE) {
            Some(last) => due(tx, conversation.id, &last.get::<String>(0)?, now).await,
            None => Ok(()),
        }
    }
}

/// Forgets the notification of a conversation that somebody has read: it is read, too. The person is held.
pub(crate) async fn read(
    tx: &Tx,
    ids: &Ids,
    (conversation, user): (ConversationId, &UserId),
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = tx
        .optional(
            "SELECT notice_id
             FROM conversation_members
             WHERE conversation_id = $1 AND user_id = $2 AND notice_id IS NOT NULL",
            params![conversation.to_string(), user.as_str()],
        )
        .await?;
    let Some(row) = row else { return Ok(()) };
    let notice: String = row.get(0)?;
    tx.execute(
        "UPDATE conversation_members SET notice_id = NULL WHERE conversation_id = $1 AND user_id = $2",
        params![conversation.to_string(), user.as_str()],
    )
    .await?;
    let person = Person::new(user.clone(), []);
    let items = [notice];
    let told = inbox::read(tx, &person, &items, ids.event(), &Witnesses::default(), now).await?;
    if told.is_empty() {
        // It is on its way, and arrives as read.
        receipts::read(tx, user, &items[0], now).await?;
    }
    Ok(())
}

/// Makes notifications items of the inbox.
pub(crate) struct Notices {
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Handler for Notices {
    fn name(&self) -> &'static str {
        "notifications"
    }

    fn topic(&self) -> &'static str {
        NOTICES_TOPIC
    }

    fn group(&self) -> &'static str {
        GROUP
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        let value = record.value.as_deref().ok_or_else(|| HandlerError::reject("the record has no value"))?;
        let notice: Notice = serde_json::from_slice(value).map_err(HandlerError::reject)?;
        notice.check().map_err(HandlerError::reject)?;
        let (event_id, now) = (record.event_id(), self.clock.now());
        // The future is no time at which something happened.
        let created_at = notice.created_at.unwrap_or(record.time).min(now);
        let expires_at = created_at.plus(LIFE);
        if expires_at <= now {
            return Ok(());
        }
        let named = notice.id.as_deref().unwrap_or(event_id.as_str());
        let id: NotificationId =
            named.parse().unwrap_or_else(|_foreign| derived(&[GROUP, named], created_at));
        let about = json!({ "type": notice.kind, "related_entity_id": notice.related_entity_id });
        let item = ItemCreated {
            id: &id.to_string(),
            kind: ITEM,
            title: Some(&notice.title),
            content: Some(&notice.content),
            data: Some(&about),
            action_url: None,
            created_at,
        };
        let data = serde_json::value::to_raw_value(&item).map_err(HandlerError::reject)?;
        let audience = Audience::of(Channel::User(notice.user_id.clone()));
        let times = (created_at, expires_at);
        let message =
            DeliveryRecord::message(event_id, NOTIFIED, id.to_string(), audience, times, data.clone());
        deliver(tx, &following(record, message), Some(Item { kind: ITEM, data: &data })).await?;
        if notice.read {
            receipts::read(tx, &notice.user_id, &id.to_string(), now).await?;
        }
        Ok(())
    }
}
