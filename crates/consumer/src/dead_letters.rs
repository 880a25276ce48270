//! Reading dead letters: newest first, a page at a time, and each with all that is known of it.

use tidings_model::{EventId, Headers, Timestamp};
use tidings_store::{Row, StoreError, Tx, decode_headers, params};

/// The most dead letters of one page.
pub const PAGE: usize = 200;

/// A record that a group gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// `topic/partition/offset@group`: one for each record that one group gave up.
    pub id: String,
    /// The group that gave it up.
    pub group: String,
    /// The handler that gave it up.
    pub handler: String,
    /// Where the record lies: the topic's name in the log.
    pub topic: String,
    /// Where the record lies.
    pub partition: u32,
    /// Where the record lies; retention may have taken it.
    pub offset: u64,
    /// When the record was appended.
    pub recorded_at: Timestamp,
    /// The event that it carries.
    pub event_id: EventId,
    /// The record's key, byte by byte.
    pub key: Option<Vec<u8>>,
    /// The record's headers.
    pub headers: Headers,
    /// The record's value, byte by byte.
    pub value: Option<Vec<u8>>,
    /// The causes, outermost first.
    pub causes: Vec<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub created_at: Timestamp,
}

/// Which dead letters are asked for; what is absent restricts nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of this topic.
    pub topic: Option<String>,
    /// Those that this group gave up.
    pub group: Option<String>,
}

/// The last dead letter of a page, after which the next one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct After {
    /// When it was given up.
    pub created_at: Timestamp,
    /// Which one.
    pub id: String,
}

/// A page of dead letters, newest first: at most `limit`, and never more than [`PAGE`].
pub async fn list(
    tx: &Tx,
    filter: &Filter,
    after: Option<&After>,
    limit: usize,
) -> Result<Vec<DeadLetter>, StoreError> {
    let rows = tx
        .query(
            "SELECT dead_letter_id, group_id, handler, topic, partition_id, record_offset, recorded_at, event_id,
                    record_key, headers, value, cause, attempts, created_at
             FROM dead_letters
             WHERE (CAST($1 AS TEXT) IS NULL OR topic = $1)
               AND (CAST($2 AS TEXT) IS NULL OR group_id = $2)
               AND (CAST($3 AS BIGINT) IS NULL OR (created_at, dead_letter_id) < ($3, $4))
             ORDER BY created_at DESC, dead_letter_id DESC
             LIMIT $5",
            params![
                filter.topic.clone(),
                filter.group.clone(),
                after.map(|after| after.created_at),
                after.map(|after| after.id.as_str()),
                limit.min(PAGE)
            ],
        )
        .await?;
    rows.iter().map(dead_letter).collect()
}

/// How many dead letters there are.
pub async fn count(tx: &Tx, filter: &Filter) -> Result<u64, StoreError> {
    tx.one(
        "SELECT COUNT(*)
         FROM dead_letters
         WHERE (CAST($1 AS TEXT) IS NULL OR topic = $1) AND (CAST($2 AS TEXT) IS NULL OR group_id = $2)",
        params![filter.topic.clone(), filter.group.clone()],
    )
    .await?
    .get(0)
}

/// One dead letter.
pub async fn get(tx: &Tx, id: &str) -> Result<Option<DeadLetter>, StoreError> {
    let row = tx
        .optional(
            "SELECT dead_letter_id, group_id, handler, topic, partition_id, record_offset, recorded_at, event_id,
                    record_key, headers, value, cause, attempts, created_at
             FROM dead_letters
             WHERE dead_letter_id = $1",
            params![id],
        )
        .await?;
    row.as_ref().map(dead_letter).transpose()
}

fn dead_letter(row: &Row) -> Result<DeadLetter, StoreError> {
    Ok(DeadLetter {
        id: row.get(0)?,
        group: row.get(1)?,
        handler: row.get(2)?,
        topic: row.get(3)?,
        partition: row.get(4)?,
        offset: row.get(5)?,
        recorded_at: row.get(6)?,
        event_id: row.parse(7)?,
        key: row.get(8)?,
        headers: decode_headers(&row.get::<String>(9)?),
        value: row.get(10)?,
        causes: row.get::<String>(11)?.lines().map(str::to_owned).collect(),
        attempts: row.get(12)?,
        created_at: row.get(13)?,
    })
}
