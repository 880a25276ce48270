//! Posts: a row each, by its id, whoever wrote it first.

use tidings::{
    model::{PostId, Timestamp, UserId},
    store::{Row, StoreError, Tx, params},
};

use crate::model::{Post, Said};

fn post(row: &Row) -> Result<Post, StoreError> {
    Ok(Post {
        id: row.parse(0)?,
        author_id: row.parse(1)?,
        said: Said { title: row.get(2)?, content: row.get(3)? },
        created_at: row.get(4)?,
    })
}

/// Waits for the author's other posts: the order of their events is that of their rows.
pub(crate) async fn hold_author(tx: &Tx, author: &UserId) -> Result<(), StoreError> {
    tx.lock("author", author.as_str()).await
}

/// Keeps a post as it is while something is said of it.
pub(crate) async fn keep(tx: &Tx, id: &PostId) -> Result<(), StoreError> {
    tx.share("post", id.as_str()).await
}

/// Writes a post, unless it is there.
pub(crate) async fn put(tx: &Tx, post: &Post) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO community_posts (post_id, author_id, title, content, created_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (post_id) DO NOTHING",
        params![
            post.id.as_str(),
            post.author_id.as_str(),
            &post.said.title,
            &post.said.content,
            post.created_at
        ],
    )
    .await?;
    Ok(())
}

/// Makes a post one of its author's count. False: it is one already, was removed, or is another author's.
pub(crate) async fn count(tx: &Tx, id: &PostId, author: &UserId) -> Result<bool, StoreError> {
    let counted = tx
        .execute(
            "UPDATE community_posts SET counted = 1
             WHERE post_id = $1 AND author_id = $2 AND counted = 0 AND removed_at IS NULL",
            params![id.as_str(), author.as_str()],
        )
        .await?;
    Ok(counted == 1)
}

/// Notes that followers are told. False: they were, it was removed, or is another author's.
pub(crate) async fn tell(tx: &Tx, id: &PostId, author: &UserId) -> Result<bool, StoreError> {
    let told = tx
        .execute(
            "UPDATE community_posts SET told = 1
             WHERE post_id = $1 AND author_id = $2 AND told = 0 AND removed_at IS NULL",
            params![id.as_str(), author.as_str()],
        )
        .await?;
    Ok(told == 1)
}

/// What became of a post that its author does not want any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    /// There is none of theirs.
    Missing,
    /// It was removed before.
    Before,
    /// It is removed now; whether it was counted.
    Now { counted: bool },
}

/// Removes a post of an author.
pub(crate) async fn remove(
    tx: &Tx,
    id: &PostId,
    author: &UserId,
    now: Timestamp,
) -> Result<Removed, StoreError> {
    tx.lock("post", id.as_str()).await?;
    let removed = tx
        .execute(
            "UPDATE community_posts SET removed_at = $3, title = '', content = ''
             WHERE post_id = $1 AND author_id = $2 AND removed_at IS NULL",
            params![id.as_str(), author.as_str(), now],
        )
        .await?;
    if removed == 0 {
        let row = tx
            .optional(
                "SELECT 1 FROM community_posts WHERE post_id = $1 AND author_id = $2",
                params![id.as_str(), author.as_str()],
            )
            .await?;
        return Ok(if row.is_some() { Removed::Before } else { Removed::Missing });
    }
    // The row is ours from here on: nobody counts it meanwhile.
    let uncounted = tx
        .execute(
            "UPDATE community_posts SET counted = 0 WHERE post_id = $1 AND counted = 1",
            params![id.as_str()],
        )
        .await?;
    Ok(Removed::Now { counted: uncounted == 1 })
}

/// Newest first, of everybody or of one author; `before` is when the last one of the page before was posted, and its id.
pub(crate) async fn list(
    tx: &Tx,
    author: Option<&UserId>,
    before: Option<(Timestamp, PostId)>,
    limit: usize,
) -> Result<Vec<Post>, StoreError> {
    let (at, id) = match before {
        Some((at, id)) => (at, id.to_string()),
        None => (Timestamp(i64::MAX), String::new()),
    };
    let rows = match author {
        Some(author) => {
            tx.query(
                "SELECT post_id, author_id, title, content, created_at
                 FROM community_posts
                 WHERE author_id = $1 AND (created_at, post_id) < ($2, $3) AND removed_at IS NULL
                 ORDER BY created_at DESC, post_id DESC
                 LIMIT $4",
                params![author.as_str(), at, id, limit],
            )
            .await?
        }
        None => {
            tx.query(
                "SELECT post_id, author_id, title, content, created_at
                 FROM community_posts
                 WHERE (created_at, post_id) < ($1, $2) AND removed_at IS NULL
                 ORDER BY created_at DESC, post_id DESC
                 LIMIT $3",
                params![at, id, limit],
            )
            .await?
        }
    };
    rows.iter().map(post).collect()
}
