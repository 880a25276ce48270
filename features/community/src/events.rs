//! The events of the community, in the letter of their topics.

use serde::{Deserialize, Serialize};
use tidings::model::{EventId, NewEvent, NotificationId, PostId, Record, SOURCE, Timestamp, UserId, header};
use utoipa::ToSchema;

use crate::model::{Announcement, Follow, Post, Said};

/// People who signed up.
pub(crate) const SIGNUPS_TOPIC: &str = "user.auth.signup";

/// Announcements, one after the other.
pub(crate) const ANNOUNCEMENTS_TOPIC: &str = "notification.broadcast";

/// The value of a record of [`ANNOUNCEMENTS_TOPIC`]. Another tool needs no more than title and content.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Announced {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) id: Option<NotificationId>,
    #[serde(flatten)]
    pub(crate) said: Said,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) timestamp: Option<Timestamp>,
}

/// The value of a record of [`SIGNUPS_TOPIC`]. Another tool needs no more than the user id.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignedUp {
    #[schema(value_type = String)]
    pub(crate) user_id: UserId,
    #[serde(default)]
    pub(crate) username: Option<String>,
    #[serde(default)]
    pub(crate) display_name: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) timestamp: Option<Timestamp>,
}

/// What people are notified of: who follows them.
pub(crate) const FOLLOWS_TOPIC: &str = "user-notifications";
/// The type of the event that somebody follows somebody.
pub(crate) const FOLLOWED: &str = "UserFollowed";
/// The type of the event that somebody does so no more.
pub(crate) const UNFOLLOWED: &str = "UserUnfollowed";

/// The value of a record of [`FOLLOWS_TOPIC`], of both types.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FollowSaid {
    #[schema(value_type = String)]
    pub(crate) follower_id: UserId,
    #[schema(value_type = String)]
    pub(crate) followee_id: UserId,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) timestamp: Option<Timestamp>,
}

/// What people posted.
pub(crate) const POSTS_TOPIC: &str = "post.created";

/// The value of a record of [`POSTS_TOPIC`].
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Posted {
    #[schema(value_type = String)]
    pub(crate) post_id: PostId,
    #[schema(value_type = String)]
    pub(crate) author_id: UserId,
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) excerpt: String,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) timestamp: Option<Timestamp>,
}

/// Whether a record follows from a transaction of ours, which did already what it tells.
pub(crate) fn is_ours(record: &Record) -> bool {
    record.header(header::SOURCE) == Some(SOURCE)
}

/// What an event follows from: its own id, and the trace of the request.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) id: EventId,
    pub(crate) trace_parent: Option<String>,
}

/// The event that somebody signed up.
pub(crate) fn signed_up(cause: Cause, user_id: UserId, display_name: String, time: Timestamp) -> NewEvent {
    let key = user_id.to_string();
    let value = SignedUp {
        username: Some(key.clone()),
        user_id,
        display_name: Some(display_name),
        timestamp: Some(time),
    };
    event(cause, SIGNUPS_TOPIC, "UserSignedUp", Some(key), &value, time)
}

/// The event that somebody follows somebody.
pub(crate) fn followed(cause: Cause, follow: &Follow, time: Timestamp) -> NewEvent {
    follow_said(cause, FOLLOWED, follow, time)
}

/// The event that somebody follows somebody no more.
pub(crate) fn unfollowed(cause: Cause, follow: &Follow, time: Timestamp) -> NewEvent {
    follow_said(cause, UNFOLLOWED, follow, time)
}

fn follow_said(cause: Cause, event_type: &'static str, follow: &Follow, time: Timestamp) -> NewEvent {
    let value = FollowSaid {
        follower_id: follow.follower.clone(),
        followee_id: follow.followee.clone(),
        timestamp: Some(time),
    };
    // Who is told orders the records.
    event(cause, FOLLOWS_TOPIC, event_type, Some(follow.followee.to_string()), &value, time)
}

/// The event that somebody posted something.
pub(crate) fn posted(cause: Cause, post: &Post) -> NewEvent {
    let value = Posted {
        post_id: post.id.clone(),
        author_id: post.author_id.clone(),
        title: post.said.title.clone(),
        excerpt: post.said.excerpt(),
        timestamp: Some(post.created_at),
    };
    event(cause, POSTS_TOPIC, "PostCreated", Some(post.author_id.to_string()), &value, post.created_at)
}

/// The event that announces something.
pub(crate) fn announced(cause: Cause, announcement: &Announcement) -> NewEvent {
    let value = Announced {
        id: Some(announcement.id),
        said: announcement.said.clone(),
        timestamp: Some(announcement.created_at),
    };
    event(cause, ANNOUNCEMENTS_TOPIC, "Announced", None, &value, announcement.created_at)
}

fn event(
    cause: Cause,
    topic: &'static str,
    event_type: &'static str,
    key: Option<String>,
    value: &impl Serialize,
    time: Timestamp,
) -> NewEvent {
    NewEvent {
        id: cause.id,
        topic,
        event_type,
        key,
        payload: serde_json::to_vec(value).unwrap_or_default(),
        time,
        trace_parent: cause.trace_parent,
        late: false,
    }
}
