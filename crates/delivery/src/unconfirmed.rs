//! Who has not confirmed what was said some time ago.
//!
//! The delivery log is looked through place by place, and of each message the people whom it is for, in slices that can
//! be gone on from. So it takes no row for a person who has what was said, and none for one who is waited for.

use serde_json::value::RawValue;
use tidings_delivery_core::Place;
use tidings_model::{Channel, Kind, Timestamp, UserId, planted};
use tidings_store::{StoreError, Tx, params};

use crate::{DeliveryRecord, Reach, inbox::Judge, receipts};

/// Places that one look passes where nothing is to be looked at.
const PLACES: usize = 200;
/// People whom one look judges.
const PEOPLE: usize = 50;

/// How far was looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// All up to here.
    pub place: Place,
    /// And of the next place people up to this one, if it was begun.
    pub after: Option<UserId>,
}

/// What one look found.
#[derive(Clone, Debug)]
pub struct Slice {
    /// How far it looked.
    pub looked: Looked,
    /// Who has not confirmed what lies at which place.
    pub found: Vec<(UserId, Place)>,
}

/// A message that somebody has not confirmed.
#[derive(Clone, Debug)]
pub struct Unconfirmed {
    /// What receipts name.
    pub item: String,
    /// `broadcast`, `notification`, …
    pub kind: String,
    /// The frame's data.
    pub data: Box<RawValue>,
    /// When it was said.
    pub created_at: Timestamp,
    /// When it leaves the inbox.
    pub expires_at: Timestamp,
    /// When their quiet hours end, if they have them now.
    pub quiet_until: Option<Timestamp>,
}

/// A message as it lies at a place.
struct Said {
    record: DeliveryRecord,
    place: Place,
    // The event's first record, where this one repeats it for one person.
    first: Option<(DeliveryRecord, Place)>,
    item: Unconfirmed,
}

/// Looks on, at no place behind `upto`. What was said before `oldest` is passed over, as is what is over. A look that
/// comes no further has seen all there is.
pub async fn look(
    tx: &Tx,
    from: &Looked,
    upto: Place,
    oldest: Timestamp,
    now: Timestamp,
) -> Result<Slice, StoreError> {
    let rows = tx
        .query(
            "SELECT r.place,
                    CAST(CASE WHEN r.kind = 'message' AND r.created_at > $3
                                   AND i.ended_at IS NULL AND i.expires_at > $4
                              THEN 1 ELSE 0 END AS BIGINT)
             FROM delivery_records r
             LEFT JOIN inbox_items i ON i.item_id = r.subject
             WHERE r.place > $1 AND r.place <= $2
             ORDER BY r.place
             LIMIT $5",
            params![from.place.0, upto.0, oldest, now, PLACES],
        )
        .await?;
    let mut looked = from.clone();
    for row in &rows {
        let place = Place(row.get(0)?);
        if row.get::<u32>(1)? == 1
            && let Some(said) = said(tx, place, now).await?
        {
            let (found, after) = said.people(tx, looked.after.as_ref(), now).await?;
            if after.is_none() {
                looked.place = place;
            }
            looked.after = after;
            return Ok(Slice { looked, found });
        }
        looked = Looked { place, after: None };
    }
    if rows.len() < PLACES && looked.place < upto {
        looked = Looked { place: upto, after: None };
    }
    Ok(Slice { looked, found: Vec::new() })
}

/// What lies at a place, if the person is meant by it and has not confirmed it: as the inbox lists what is pending.
pub async fn find(
    tx: &Tx,
    user: &UserId,
    place: Place,
    now: Timestamp,
) -> Result<Option<Unconfirmed>, StoreError> {
    let Some(said) = said(tx, place, now).await? else { return Ok(None) };
    let judge = said.judge(tx, user, now).await?;
    Ok(judge.map(|judge| Unconfirmed { quiet_until: judge.quiet_until(&said.facts()), ..said.item }))
}

async fn said(tx: &Tx, place: Place, now: Timestamp) -> Result<Option<Said>, StoreError> {
    let row = tx
        .optional(
            "SELECT r.record, i.item_id, i.kind, i.data, i.created_at, i.expires_at
             FROM delivery_records r
             JOIN inbox_items i ON i.item_id = r.subject
             WHERE r.place = $1 AND i.ended_at IS NULL AND i.expires_at > $2",
            params![place.0, now],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let record = decode(&row.get::<Vec<u8>>(0)?)?;
    let first = match record.first.filter(|first| *first < place) {
        Some(first) => first_record(tx, first).await?.map(|record| (record, first)),
        None => None,
    };
    let item = Unconfirmed {
        item: row.get(1)?,
        kind: row.get(2)?,
        data: RawValue::from_string(row.get(3)?).unwrap_or_default(),
        created_at: row.get(4)?,
        expires_at: row.get(5)?,
        quiet_until: None,
    };
    Ok((record.kind == Kind::Message).then_some(Said { record, place, first, item }))
}

async fn first_record(tx: &Tx, place: Place) -> Result<Option<DeliveryRecord>, StoreError> {
    let row = tx.optional("SELECT record FROM delivery_records WHERE place = $1", params![place.0]).await?;
    row.map(|row| decode(&row.get::<Vec<u8>>(0)?)).transpose()
}

fn decode(record: &[u8]) -> Result<DeliveryRecord, StoreError> {
    serde_json::from_slice(record).map_err(|_cause| StoreError::Row {
        column: 0,
        found: "another text",
        wanted: "a delivery record",
    })
}

impl Said {
    fn facts(&self) -> tidings_delivery_core::DeliveryRecord {
        self.record.facts(self.place, None)
    }

    /// The next people who have not confirmed it, and after whom to go on; none behind the last one.
    async fn people(
        &self,
        tx: &Tx,
        after: Option<&UserId>,
        now: Timestamp,
    ) -> Result<(Vec<(UserId, Place)>, Option<UserId>), StoreError> {
        let mut audience = self.record.audience.clone();
        // Chat has its own lists.
        audience.any.retain(|channel| !matches!(channel, Channel::Conversation(_)));
        let (item, late_joiners) = (self.item.item.clone(), self.record.late_joiners);
        let people = Reach { audience, item, late_joiners }.page(tx, after, PEOPLE).await?;
        let mut found = Vec::new();
        for user in &people {
            if self.judge(tx, user, now).await?.is_some() {
                found.push((user.clone(), self.place));
            }
        }
        let more = people.len() == PEOPLE;
        Ok((found, people.into_iter().next_back().filter(|_| more)))
    }

    /// The judge who said that it stands, unconfirmed, in the person's inbox by this record; none if it does not.
    async fn judge(&self, tx: &Tx, user: &UserId, now: Timestamp) -> Result<Option<Judge>, StoreError> {
        let confirmed = receipts::of(tx, user, &self.item.item).await?.delivered_at.is_some();
        if confirmed && !planted::is("webhook_calls_all") {
            return Ok(None);
        }
        let judge = Judge::new(tx, user, now).await?;
        // Whoever was meant by the first record was found there.
        let found_before = self
            .first
            .as_ref()
            .is_some_and(|(first, place)| judge.listed_at_once(&first.facts(*place, None)));
        Ok((!found_before && judge.lists(&self.facts())).then_some(judge))
    }
}
