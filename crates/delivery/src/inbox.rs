//! The inbox of a person: what was said to them and is still active, the most pressing first, then the newest.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashSet},
    str::FromStr,
};

use serde::Deserialize;
use serde_json::value::RawValue;
use tidings_delivery_core::{
    self as core, Moment, Place,
    session::{Opening, Session},
    verdict::{Until, Verdict, Withheld, verdict},
};
use tidings_model::{Audience, Channel, EventId, Timestamp, UserId};
use tidings_store::{Row, StoreError, Tx, params};

use crate::{
    DeliveryRecord, Person, Witnesses, Word, deliver, directory, receipts, sessions, spoken::ReceiptRead,
};

/// The type of the change that tells a person's devices what was read on another.
pub const READ: &str = "receipt.read";
/// The most unread items that are counted where a read is told; more are told as this many.
pub const COUNTED_MAX: usize = 1000;
/// Items that a count looks at together.
const COUNTED_RUN: usize = 1000;

/// Which items of an inbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InboxState {
    /// Those that no device of theirs confirmed.
    Pending,
    /// Those that they did not read.
    Unread,
    /// All of them.
    #[default]
    All,
}

impl InboxState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Unread => "unread",
            Self::All => "all",
        }
    }
}

/// Where an item stands in an inbox: its priority, then its place.
pub type Rank = (u32, Place);

/// Which part of an inbox.
#[derive(Clone, Debug)]
pub struct InboxQuery {
    /// Which items.
    pub state: InboxState,
    /// Only items of this kind.
    pub kind: Option<String>,
    /// Only items after this one.
    pub after: Option<Rank>,
    /// The most items.
    pub limit: usize,
}

/// An item, and what its person did with it.
#[derive(Clone, Debug)]
pub struct InboxItem {
    /// What receipts name.
    pub id: String,
    /// `broadcast`, `notification`, …
    pub kind: String,
    /// Where it stands.
    pub rank: Rank,
    /// The frame's data.
    pub data: Box<RawValue>,
    /// When it was said.
    pub created_at: Timestamp,
    /// When it leaves the inbox.
    pub expires_at: Timestamp,
    /// When a device of theirs confirmed it.
    pub delivered_at: Option<Timestamp>,
    /// When they read it.
    pub read_at: Option<Timestamp>,
}

// The primary key of `inbox_places` is read backwards from `$3, $4`, so that a page costs its own length; each row
// then looks up its item and its receipt by their primary keys, and its record where its person must be judged by it.
// A count (`$9` is 0) takes no texts with it.
macro_rules! page_statement {
    () => {
        "SELECT e.item_id, e.priority, e.place, e.listed_until,
                CASE WHEN e.listed_until IS NULL
                     THEN (SELECT r.record FROM delivery_records r WHERE r.place = e.place) END,
                CASE CAST($9 AS BIGINT) WHEN 1 THEN i.kind END,
                CASE CAST($9 AS BIGINT) WHEN 1 THEN i.data END,
                i.created_at, i.expires_at, x.delivered_at, x.read_at
         FROM inbox_places e
         CROSS JOIN inbox_items i ON i.item_id = e.item_id
         LEFT JOIN item_receipts x ON x.user_id = $2 AND x.item_id = e.item_id
         WHERE e.channel = $1
           AND (e.priority, e.place) < ($3, $4)
           AND (e.listed_until IS NULL OR e.listed_until > $5)
           AND i.ended_at IS NULL
           AND i.expires_at > $5
           AND (CAST($6 AS TEXT) IS NULL OR i.kind = $6)
           AND COALESCE(x.removed, 0) = 0
           AND CASE $7 WHEN 'pending' THEN x.user_id IS NULL WHEN 'unread' THEN x.read_at IS NULL ELSE TRUE END
         ORDER BY e.priority DESC, e.place DESC
         LIMIT $8"
    };
}

/// What is asked of the items of an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// All that a list shows.
    Shown,
    /// What a count needs.
    Counted,
}

/// Before all of an inbox.
const BEGINNING: Rank = (u32::MAX, Place(i64::MAX.cast_unsigned()));

/// A page of somebody's inbox, in order.
pub async fn page(
    tx: &Tx,
    user: &UserId,
    query: &InboxQuery,
    now: Timestamp,
) -> Result<Vec<InboxItem>, StoreError> {
    let judge = Judge::new(tx, user, now).await?;
    let channels = channels(tx, user).await?;
    let mut before = query.after.unwrap_or(BEGINNING);
    let (mut items, mut seen) = (Vec::new(), HashSet::new());
    loop {
        let mut next = BTreeMap::new();
        for channel in &channels {
            for row in run(tx, Asked::Shown, channel, user, before, query, now).await? {
                next.insert(Reverse(rank(&row)?), (channel, row));
            }
        }
        // Each channel gave its next `limit`, so the first `limit` of all are the next of the inbox.
        let full = next.len() >= query.limit;
        for (Reverse(rank), (channel, row)) in next.into_iter().take(query.limit) {
            before = rank;
            if judge.offers(&row, channel, rank.1)? && seen.insert(row.get::<String>(0)?) {
                items.push(item(&row, rank)?);
                if items.len() == query.limit {
                    return Ok(items);
                }
            }
        }
        if !full {
            return Ok(items);
        }
    }
}

/// The channels whose messages an inbox shows. Chat has its own lists.
async fn channels(tx: &Tx, user: &UserId) -> Result<BTreeSet<Channel>, StoreError> {
    let mut channels = directory::person(tx, user).await?.channels;
    channels.retain(|channel| !matches!(channel, Channel::Conversation(_)));
    Ok(channels)
}

async fn run(
    tx: &Tx,
    asked: Asked,
    channel: &Channel,
    user: &UserId,
    before: Rank,
    query: &InboxQuery,
    now: Timestamp,
) -> Result<Vec<Row>, StoreError> {
    let (kind, state) = (query.kind.clone(), query.state.as_str());
    let (priority, place) = (before.0, before.1.0);
    let params = params![
        channel.to_string(),
        user.as_str(),
        priority,
        place,
        now,
        kind,
        state,
        query.limit,
        asked == Asked::Shown
    ];
    tx.query(page_statement!(), params).await
}

fn rank(row: &Row) -> Result<Rank, StoreError> {
    Ok((row.get(1)?, Place(row.get(2)?)))
}

fn item(row: &Row, rank: Rank) -> Result<InboxItem, StoreError> {
    Ok(InboxItem {
        id: row.get(0)?,
        kind: row.get(5)?,
        rank,
        data: RawValue::from_string(row.get(6)?).unwrap_or_default(),
        created_at: row.get(7)?,
        expires_at: row.get(8)?,
        delivered_at: row.get(9)?,
        read_at: row.get(10)?,
    })
}

/// Asks the verdict, as if the person came now with a new device.
pub(crate) struct Judge {
    person: core::Person,
    session: Session,
}

impl Judge {
    pub(crate) async fn new(tx: &Tx, user: &UserId, now: Timestamp) -> Result<Self, StoreError> {
        let person = directory::history(tx, user).await?;
        // The place that comes next: who joined just now is a member from there on.
        let at = Moment { place: deliver::head(tx).await?.next(), time: now };
        let opening = Opening::offering(at);
        Ok(Self { person, session: Session { opening, channels: None } })
    }

    fn offers(&self, row: &Row, channel: &Channel, place: Place) -> Result<bool, StoreError> {
        if row.get::<Option<Timestamp>>(3)?.is_some() {
            return Ok(self.person.listens(channel, self.session.opening.at.place));
        }
        // Without a record it was forgotten.
        let Some(record) = row.get::<Option<Vec<u8>>>(4)? else { return Ok(false) };
        let wrong = StoreError::Row { column: 4, found: "another text", wanted: "a delivery record" };
        let record: DeliveryRecord = serde_json::from_slice(&record).map_err(|_cause| wrong)?;
        Ok(self.lists(&record.facts(place, None)))
    }

    /// Whether a record stands in the person's inbox.
    pub(crate) fn lists(&self, record: &core::DeliveryRecord) -> bool {
        is_listed(self.session.verdict(&self.person, record))
    }

    /// Whether a record was theirs at its own moment.
    pub(crate) fn listed_at_once(&self, record: &core::DeliveryRecord) -> bool {
        is_listed(verdict(&self.person, record, record.moment()))
    }

    /// The end of their quiet hours, if they keep a record from the screens now.
    pub(crate) fn quiet_until(&self, record: &core::DeliveryRecord) -> Option<Timestamp> {
        match self.session.verdict(&self.person, record) {
            Verdict::Withheld { reason: Withheld::QuietHours, until: Until::At(until) } => Some(until),
            Verdict::Offered | Verdict::Withheld { .. } | Verdict::NotAddressed { .. } => None,
        }
    }
}

/// Quiet hours keep screens dark; whoever looks into their inbox sees all the same what lies in it.
fn is_listed(verdict: Verdict) -> bool {
    let quiet = matches!(verdict, Verdict::Withheld { reason: Withheld::QuietHours, .. });
    verdict.is_offered() || quiet
}

/// How many items somebody did not read, up to `limit`.
pub async fn unread(
    tx: &Tx,
    user: &UserId,
    kind: Option<String>,
    limit: usize,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let judge = Judge::new(tx, user, now).await?;
    let query = InboxQuery { state: InboxState::Unread, kind, after: None, limit: limit.min(COUNTED_RUN) };
    let mut counted: HashSet<String> = HashSet::new();
    for channel in channels(tx, user).await? {
        let mut before = BEGINNING;
        loop {
            let rows = run(tx, Asked::Counted, &channel, user, before, &query, now).await?;
            for row in &rows {
                before = rank(row)?;
                if judge.offers(row, &channel, before.1)?
                    && counted.insert(row.get(0)?)
                    && counted.len() == limit
                {
                    return Ok(limit);
                }
            }
            if rows.len() < query.limit {
                break;
            }
        }
    }
    Ok(counted.len())
}

/// Notes that a person read items, and tells witnesses and their devices in the same transaction. Items that are not
/// theirs are passed over. Answers which were theirs.
pub async fn read(
    tx: &Tx,
    person: &Person,
    items: &[String],
    event_id: EventId,
    witnesses: &Witnesses,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    // What is unread is counted, and the counts are told in their order.
    directory::hold(tx, &person.user_id).await?;
    let theirs = receipts::theirs(tx, person, items).await?;
    let changed = receipts::read_all(tx, &person.user_id, theirs.clone(), now).await?;
    witnesses.tell(tx, &person.user_id, &changed, Word::Read, now).await?;
    if !changed.is_empty() && !sessions::of(tx, &person.user_id).await?.is_empty() {
        tell(tx, &person.user_id, &changed, event_id, now).await?;
    }
    Ok(theirs)
}

async fn tell(
    tx: &Tx,
    user: &UserId,
    ids: &[String],
    event_id: EventId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let unread_count = unread(tx, user, None, COUNTED_MAX, now).await?;
    let data = serde_json::value::to_raw_value(&ReceiptRead { ids, unread_count }).unwrap_or_default();
    let audience = Audience::of(Channel::User(user.clone()));
    let record = DeliveryRecord::change(event_id, READ, user.as_str(), audience, now, data);
    deliver(tx, &record, None).await?;
    Ok(())
}

/// Takes an item out of somebody's inbox; it counts as delivered, and as read only if it was. Answers whether it
/// was theirs.
pub async fn remove(tx: &Tx, person: &Person, item: &str, now: Timestamp) -> Result<bool, StoreError> {
    if !receipts::is_theirs(tx, person, item).await? {
        return Ok(false);
    }
    receipts::delivered(tx, &person.user_id, item, now).await?;
    tx.execute(
        "UPDATE item_receipts SET removed = 1 WHERE user_id = $1 AND item_id = $2",
        params![person.user_id.as_str(), item],
    )
    .await?;
    Ok(true)
}

/// Whether an item is of a kind; a missing one is of none.
pub async fn is_kind(tx: &Tx, item: &str, kind: &str) -> Result<bool, StoreError> {
    let row = tx.optional("SELECT kind FROM inbox_items WHERE item_id = $1", params![item]).await?;
    Ok(row.map(|row| row.get::<String>(0)).transpose()?.is_some_and(|of| of == kind))
}

impl FromStr for InboxState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "pending" => Ok(Self::Pending),
            "unread" => Ok(Self::Unread),
            "all" => Ok(Self::All),
            _unknown => Err(format!("`{text}` is not pending, unread or all")),
        }
    }
}

#[cfg(test)]
mod tests;
