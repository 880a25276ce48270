//! Reading dead letters: newest first, a page at a time, and each with all that is known of it; and forgetting them.

use std::{fmt, str::FromStr};

use tidings_model::{EventId, Headers, Timestamp};
use tidings_store::{Row, StoreError, Tx, Value, decode_headers, params};

/// The most dead letters of one page.
pub const PAGE: usize = 200;

/// What became of a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Somebody should look at it.
    Open,
    /// It was sent through again, and its group has not said anything yet.
    Redriven,
    /// It was sent through again, and handled.
    Handled,
    /// It was forgotten: of the record only its place is left.
    Purged,
}

impl State {
    /// The word in its column and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Redriven => "redriven",
            Self::Handled => "handled",
            Self::Purged => "purged",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a state; there are open, redriven, handled and purged")]
pub struct UnknownState(String);

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Open, Self::Redriven, Self::Handled, Self::Purged]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownState(text.chars().take(64).collect()))
    }
}

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
    /// When it was given up first.
    pub created_at: Timestamp,
    /// What became of it.
    pub state: State,
    /// How often it was sent through again.
    pub redrives: u32,
    /// When its state changed last.
    pub changed_at: Timestamp,
}

/// Which dead letters are asked for; what is absent restricts nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of this topic.
    pub topic: Option<String>,
    /// Those that this group gave up.
    pub group: Option<String>,
    /// Those in this state; without one, all that are not purged.
    pub state: Option<State>,
    /// Those with this text in one of their causes, in whatever case.
    pub cause: Option<String>,
    /// Those that were given up before this moment.
    pub before: Option<Timestamp>,
}

impl Filter {
    /// Whether it restricts nothing but the state.
    pub fn takes_all(&self) -> bool {
        matches!(self, Self { topic: None, group: None, cause: None, before: None, state: _ })
    }

    /// What the statements of this module and its neighbours want as their parameters 1 to 5.
    pub(crate) fn params(&self) -> [Value; 5] {
        // Each sign with a meaning of its own in LIKE stands for itself.
        let literal = |cause: &String| {
            let escaped = cause.to_lowercase().replace('!', "!!").replace('%', "!%").replace('_', "!_");
            format!("%{escaped}%")
        };
        [
            self.topic.clone().into(),
            self.group.clone().into(),
            self.state.map(State::as_str).into(),
            self.cause.as_ref().map(literal).into(),
            self.before.into(),
        ]
    }
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
    let mut params = filter.params().to_vec();
    params.extend([
        after.map(|after| after.created_at).into(),
        after.map(|after| after.id.as_str()).into(),
        limit.min(PAGE).into(),
    ]);
    let rows = tx
        .query(
            "SELECT dead_letter_id, group_id, handler, topic, partition_id, record_offset, recorded_at, event_id,
                    record_key, headers, value, cause, attempts, created_at, state, redrives, changed_at
             FROM dead_letters
             WHERE (CAST($1 AS TEXT) IS NULL OR topic = $1)
               AND (CAST($2 AS TEXT) IS NULL OR group_id = $2)
               AND (state = $3 OR (CAST($3 AS TEXT) IS NULL AND state <> 'purged'))
               AND (CAST($4 AS TEXT) IS NULL OR LOWER(cause) LIKE $4 ESCAPE '!')
               AND (CAST($5 AS BIGINT) IS NULL OR created_at < $5)
               AND (CAST($6 AS BIGINT) IS NULL OR (created_at, dead_letter_id) < ($6, $7))
             ORDER BY created_at DESC, dead_letter_id DESC
             LIMIT $8",
            &params,
        )
        .await?;
    rows.iter().map(dead_letter).collect()
}

/// How many dead letters there are.
pub async fn count(tx: &Tx, filter: &Filter) -> Result<u64, StoreError> {
    tx.one(
        "SELECT COUNT(*)
         FROM dead_letters
         WHERE (CAST($1 AS TEXT) IS NULL OR topic = $1)
           AND (CAST($2 AS TEXT) IS NULL OR group_id = $2)
           AND (state = $3 OR (CAST($3 AS TEXT) IS NULL AND state <> 'purged'))
           AND (CAST($4 AS TEXT) IS NULL OR LOWER(cause) LIKE $4 ESCAPE '!')
           AND (CAST($5 AS BIGINT) IS NULL OR created_at < $5)",
        &filter.params(),
    )
    .await?
    .get(0)
}

/// Forgets what is known of a record but its place. False: there is no such dead letter, or it was purged before.
pub async fn purge(tx: &Tx, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let purged = tx
        .execute(
            "UPDATE dead_letters
             SET state = 'purged', changed_at = $2, record_key = NULL, headers = '[]', value = NULL, cause = ''
             WHERE dead_letter_id = $1 AND state <> 'purged'",
            params![id, now],
        )
        .await?;
    Ok(purged == 1)
}

/// Forgets the oldest that a filter takes, at most `limit`, and answers how many there were.
pub async fn purge_some(tx: &Tx, filter: &Filter, limit: usize, now: Timestamp) -> Result<u64, StoreError> {
    let mut params = filter.params().to_vec();
    params.extend([limit.min(PAGE).into(), now.into()]);
    tx.execute(
        "UPDATE dead_letters
         SET state = 'purged', changed_at = $7, record_key = NULL, headers = '[]', value = NULL, cause = ''
         WHERE dead_letter_id IN (
           SELECT dead_letter_id
           FROM dead_letters
           WHERE state <> 'purged'
             AND (CAST($1 AS TEXT) IS NULL OR topic = $1)
             AND (CAST($2 AS TEXT) IS NULL OR group_id = $2)
             AND (CAST($3 AS TEXT) IS NULL OR state = $3)
             AND (CAST($4 AS TEXT) IS NULL OR LOWER(cause) LIKE $4 ESCAPE '!')
             AND (CAST($5 AS BIGINT) IS NULL OR created_at < $5)
           ORDER BY created_at, dead_letter_id
           LIMIT $6)",
        &params,
    )
    .await
}

/// One dead letter.
pub async fn get(tx: &Tx, id: &str) -> Result<Option<DeadLetter>, StoreError> {
    let row = tx
        .optional(
            "SELECT dead_letter_id, group_id, handler, topic, partition_id, record_offset, recorded_at, event_id,
                    record_key, headers, value, cause, attempts, created_at, state, redrives, changed_at
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
        state: row.parse(14)?,
        redrives: row.get(15)?,
        changed_at: row.get(16)?,
    })
}
