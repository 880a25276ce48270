//! What happens with the record of a follow: the one who is followed is told.
//!
//! A follow of ours is in force already when its record comes. One that another program writes is brought into force here:
//! the row, the counts, and the author's channel for the follower.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use tidings::{
    consumer::{Handler, HandlerError},
    derived,
    model::{Audience, Channel, Clock, Ids, NotificationId, Record, header},
    store::Tx,
};

use super::{Message, PUSHERS, change, decode, value};
use crate::{
    events::{FOLLOWED, FOLLOWS_TOPIC, FollowSaid, UNFOLLOWED, is_ours},
    model::Follow,
    spoken::{FOLLOWED_BY, UserFollowed},
    store::follows,
};

/// The kind of the inbox items.
const ITEM: &str = "follow";

/// Tells people who follows them.
pub(crate) struct Follows {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<Ids>,
}

#[async_trait]
impl Handler for Follows {
    fn name(&self) -> &'static str {
        "follows"
    }

    fn topic(&self) -> &'static str {
        FOLLOWS_TOPIC
    }

    fn group(&self) -> &'static str {
        PUSHERS
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        let begins = match record.header(header::TYPE) {
            None | Some(FOLLOWED) => true,
            Some(UNFOLLOWED) => false,
            // The topic is for whatever people are to be notified of.
            Some(_other) => return Ok(()),
        };
        let FollowSaid { follower_id, followee_id, timestamp } = decode(record)?;
        let follow = Follow { follower: follower_id, followee: followee_id };
        if follow.is_of_oneself() {
            return Err(HandlerError::reject("nobody follows themselves"));
        }
        let (now, event) = (self.clock.now(), record.event_id());
        let due = match (is_ours(record), begins) {
            (true, true) => follows::tell(tx, &follow, &event).await?,
            (true, false) => false,
            (false, true) => {
                let begun = follows::begin(tx, &follow, (&event, true), &self.ids, now).await?;
                change(tx, follow.joins(), now).await?;
                begun
            }
            (false, false) => {
                follows::end(tx, &follow, &self.ids, now).await?;
                change(tx, follow.leaves(), now).await?;
                false
            }
        };
        if !due {
            return Ok(());
        }
        let created_at = timestamp.unwrap_or(record.time).min(now);
        let id: NotificationId = derived(&[FOLLOWS_TOPIC, event.as_str()], created_at);
        let message = Message {
            subject: id.to_string(),
            frame: FOLLOWED_BY,
            audience: Audience::of(Channel::User(follow.followee)),
            created_at,
            data: value(&UserFollowed { follower_id: &follow.follower, created_at })?,
            kind: ITEM,
            item: json!({
                "sender_id": follow.follower,
                "data": { "follower_id": follow.follower },
                "created_at": created_at,
            }),
        };
        message.deliver(tx, record, now).await
    }
}
