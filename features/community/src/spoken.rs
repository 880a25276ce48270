//! What the community says: the data of its frames, and for the reference each frame and record with an example.

use serde::Serialize;
use serde_json::json;
use tidings::{
    api::{Spoken, SpokenFrame, SpokenRecord},
    delivery::ItemCreated,
    model::{Kind, PostId, Timestamp, UserId},
};
use utoipa::ToSchema;

use crate::{
    events::{
        ANNOUNCEMENTS_TOPIC, Announced, FOLLOWED, FOLLOWS_TOPIC, FollowSaid, POSTS_TOPIC, Posted,
        SIGNUPS_TOPIC, SignedUp, UNFOLLOWED,
    },
    model::Counts,
};

/// The type of the frame that brings an announcement.
pub(crate) const ANNOUNCED: &str = "announcement.created";
/// The type of the frame that brings a post.
pub(crate) const POSTED: &str = "post.created";
/// The type of the frame that takes a post from the screens.
pub(crate) const REMOVED: &str = "post.removed";
/// The type of the frame that says who follows.
pub(crate) const FOLLOWED_BY: &str = "user.followed";
/// The type of the frame that says what somebody adds up to.
pub(crate) const UPDATED: &str = "profile.updated";

/// The data of [`POSTED`].
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PostCreated<'a> {
    #[schema(value_type = String)]
    pub(crate) post_id: &'a PostId,
    #[schema(value_type = String)]
    pub(crate) author_id: &'a UserId,
    pub(crate) title: &'a str,
    /// The beginning of the post.
    pub(crate) excerpt: &'a str,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
}

/// The data of [`REMOVED`].
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PostRemoved<'a> {
    #[schema(value_type = String)]
    pub(crate) post_id: &'a PostId,
    /// `cancelled`: its author removed it.
    pub(crate) reason: &'a str,
}

/// The data of [`FOLLOWED_BY`].
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UserFollowed<'a> {
    #[schema(value_type = String)]
    pub(crate) follower_id: &'a UserId,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Timestamp,
}

/// The data of [`UPDATED`].
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProfileUpdated<'a> {
    #[schema(value_type = String)]
    pub(crate) user_id: &'a UserId,
    pub(crate) counts: Counts,
}

const POST: &str = "pst_01k3x9qk3m8v6t2n4p5r7s9w0y";
const NOTICE: &str = "ntf_01k3x9qk3m8v6t2n4p5r7s9w0y";
const AT: &str = "2026-01-31T09:30:00.000Z";

/// The frames of the community.
pub(crate) fn frames() -> Vec<SpokenFrame> {
    let announced = json!({
        "id": NOTICE, "kind": "announcement", "title": "Fire drill", "content": "At noon, in all buildings.",
        "data": null, "action_url": null, "created_at": AT,
    });
    let posted = json!({
        "post_id": POST, "author_id": "ada", "title": "On the engine",
        "excerpt": "It weaves algebraical patterns.", "created_at": AT,
    });
    let updated = json!({ "user_id": "ada", "counts": { "followers": 2, "following": 1, "posts": 7 } });
    vec![
        SpokenFrame::new(
            Kind::Message,
            (NOTICE, "all"),
            Spoken::of::<ItemCreated<'static>>(ANNOUNCED, "An announcement for everybody.", announced),
        ),
        SpokenFrame::new(
            Kind::Message,
            (POST, "author:ada"),
            Spoken::of::<PostCreated<'static>>(POSTED, "Somebody whom this reader follows posted.", posted),
        ),
        SpokenFrame::new(
            Kind::Change,
            (POST, "author:ada"),
            Spoken::of::<PostRemoved<'static>>(
                REMOVED,
                "A post was removed: take it from the screen.",
                json!({ "post_id": POST, "reason": "cancelled" }),
            ),
        ),
        SpokenFrame::new(
            Kind::Message,
            (NOTICE, "user:ada"),
            Spoken::of::<UserFollowed<'static>>(
                FOLLOWED_BY,
                "Somebody follows this reader.",
                json!({ "follower_id": "bob", "created_at": AT }),
            ),
        ),
        SpokenFrame::new(
            Kind::Change,
            ("ada", "user:ada"),
            Spoken::of::<ProfileUpdated<'static>>(UPDATED, "This reader's counts changed.", updated),
        ),
    ]
}

/// The records of its topics.
pub(crate) fn records() -> Vec<SpokenRecord> {
    let signed_up =
        json!({ "userId": "ada", "username": "ada", "displayName": "Ada Lovelace", "timestamp": AT });
    let posted = json!({
        "postId": POST, "authorId": "ada", "title": "On the engine",
        "excerpt": "It weaves algebraical patterns.", "timestamp": AT,
    });
    let announced = json!({
        "id": NOTICE, "title": "Fire drill", "content": "At noon, in all buildings.", "timestamp": AT,
    });
    let follow = |name, summary| {
        let said = json!({ "followerId": "bob", "followeeId": "ada", "timestamp": AT });
        SpokenRecord::new(FOLLOWS_TOPIC, Some("ada"), Spoken::of::<FollowSaid>(name, summary, said))
    };
    vec![
        SpokenRecord::new(
            SIGNUPS_TOPIC,
            Some("ada"),
            Spoken::of::<SignedUp>(
                "UserSignedUp",
                "Somebody signed up. Another tool needs no more than the user id.",
                signed_up,
            ),
        ),
        follow(FOLLOWED, "Somebody follows somebody."),
        follow(UNFOLLOWED, "Somebody does so no more."),
        SpokenRecord::new(
            POSTS_TOPIC,
            Some("ada"),
            Spoken::of::<Posted>(
                "PostCreated",
                "Somebody posted. Another tool needs an id, an author and a title.",
                posted,
            ),
        ),
        SpokenRecord::new(
            ANNOUNCEMENTS_TOPIC,
            None,
            Spoken::of::<Announced>(
                "Announced",
                "Something is announced to everybody. Another tool needs no more than title and content.",
                announced,
            ),
        ),
    ]
}
