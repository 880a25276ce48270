//! What happens with the record of a post: one group counts it for its author, another tells who follows the author.
//!
//! A post of ours has its row already; one of another program gets it here, from whichever group comes first.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use tidings::{
    consumer::{Handler, HandlerError},
    model::{Audience, Channel, Clock, Ids, Record, Timestamp},
    store::Tx,
};

use super::{Message, PEOPLE, PUSHERS, decode, value};
use crate::{
    events::{POSTS_TOPIC, Posted},
    model::{Post, Said},
    spoken::{POSTED, PostCreated},
    store::{
        counts::{self, Step},
        posts,
    },
};

/// The kind of the inbox items.
const ITEM: &str = "post";

/// The post of a record, with its excerpt for what it says; its row is there.
async fn post(record: &Record, tx: &Tx, now: Timestamp) -> Result<Post, HandlerError> {
    let Posted { post_id, author_id, title, excerpt, timestamp } = decode(record)?;
    let said = Said { title, content: excerpt };
    said.check_heading().map_err(HandlerError::reject)?;
    let created_at = timestamp.unwrap_or(record.time).min(now);
    let post = Post { id: post_id, author_id, said, created_at };
    posts::keep(tx, &post.id).await?;
    posts::put(tx, &post).await?;
    Ok(post)
}

/// Counts the posts of people.
pub(crate) struct PostCounts {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<Ids>,
}

#[async_trait]
impl Handler for PostCounts {
    fn name(&self) -> &'static str {
        "post-counts"
    }

    fn topic(&self) -> &'static str {
        POSTS_TOPIC
    }

    fn group(&self) -> &'static str {
        PEOPLE
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        let now = self.clock.now();
        let post = post(record, tx, now).await?;
        if posts::count(tx, &post.id, &post.author_id).await? {
            let more = Step { posts: 1, ..Step::default() };
            counts::step(tx, vec![(&post.author_id, more)], &self.ids, now).await?;
        }
        Ok(())
    }
}

/// Tells followers of posts.
pub(crate) struct Posts {
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Handler for Posts {
    fn name(&self) -> &'static str {
        "posts"
    }

    fn topic(&self) -> &'static str {
        POSTS_TOPIC
    }

    fn group(&self) -> &'static str {
        PUSHERS
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        let now = self.clock.now();
        let Post { id, author_id, said, created_at } = post(record, tx, now).await?;
        if !posts::tell(tx, &id, &author_id).await? {
            return Ok(());
        }
        let Said { title, content: excerpt } = said;
        let item = json!({ "content": excerpt, "sender_id": author_id, "data": { "post_id": id } });
        let message = Message {
            subject: id.to_string(),
            frame: POSTED,
            audience: Audience::of(Channel::Author(author_id.clone())),
            created_at,
            data: value(&PostCreated {
                post_id: &id,
                author_id: &author_id,
                title: &title,
                excerpt: &excerpt,
                created_at,
            })?,
            kind: ITEM,
            item,
        };
        message.deliver(tx, record, now).await
    }
}
