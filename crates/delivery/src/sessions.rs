//! Sessions: one person on one device, across reconnects; how each opened and how far its cursor confirmed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tidings_delivery_core::{
    GenerationId, Moment, Narrowing, NotRecovered, Person, Place,
    receipts::SessionReceipts,
    select_pending,
    session::{Opening, Session},
};
use tidings_model::{Channel, SessionId, Timestamp, UserId, planted};
use tidings_store::{Store, StoreError, Tx, params};

use crate::{Delivery, Witnesses, Word, backlog, deliver, directory, projection, receipts};

/// Messages that one transaction confirms; the rest follows in further ones.
const SLICE: usize = 100;
/// How long a confirmation waits for the projection.
const REACH: Duration = Duration::from_secs(2);
/// The most messages that one look finds pending for a person: a digest counts no more.
const INBOX_MAX: usize = 10_000;

/// What a session that opened without a usable cursor is sent.
#[derive(Debug)]
pub struct Opened {
    /// The person as they were at the opening.
    pub person: Person,
    /// The session.
    pub session: Session,
    /// What is sent, oldest first.
    pub send: Vec<Delivery>,
    /// How many more are pending.
    pub left_out: u64,
    /// The place of the opening.
    pub complete: Place,
}

/// The row of a session.
pub async fn find(
    tx: &Tx,
    user: &UserId,
    session: &SessionId,
) -> Result<Option<SessionReceipts>, StoreError> {
    let row = tx
        .optional(
            "SELECT receipts FROM sessions WHERE user_id = $1 AND session_id = $2",
            params![user.as_str(), session.as_str()],
        )
        .await?;
    Ok(row.map(|row| row.get::<String>(0)).transpose()?.and_then(|json| serde_json::from_str(&json).ok()))
}

async fn put(
    tx: &Tx,
    user: &UserId,
    session: &SessionId,
    row: &SessionReceipts,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO sessions (user_id, session_id, receipts, seen_at)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (user_id, session_id)
         DO UPDATE SET receipts = excluded.receipts, seen_at = excluded.seen_at",
        params![user.as_str(), session.as_str(), serde_json::to_string(row).unwrap_or_default(), now],
    )
    .await?;
    Ok(())
}

/// Opens a session: judges what is pending, and writes the row that says what was left out.
///
/// What is pending is read beside the writer; the row is written only if the person's channels are still those
/// that it was judged by.
pub async fn open(
    store: &Store,
    generation: GenerationId,
    user: &UserId,
    session: &SessionId,
    channels: Option<BTreeSet<Channel>>,
    limit: usize,
    now: Timestamp,
) -> Result<Opened, StoreError> {
    loop {
        let (reader, wanted) = (user.clone(), channels.clone());
        let (mut opened, changed) = store
            .read(move |tx| async move { judge(&tx, generation, &reader, wanted, limit, now).await })
            .await?;
        let (user, session) = (user.clone(), session.clone());
        let judged = opened.session.clone();
        let written = store
            .transact(move |tx| async move {
                directory::hold(&tx, &user).await?;
                if directory::changed_place(&tx, &user).await? != changed {
                    return Ok(None);
                }
                let before = find(&tx, &user, &session).await?;
                let count = before.map_or(0, |row| row.session().opening.count) + 1;
                let opening = Opening { count, ..judged.opening };
                let row = SessionReceipts::open(Session { opening, ..judged });
                put(&tx, &user, &session, &row, now).await?;
                back(&tx, &user, &session).await?;
                Ok::<_, StoreError>(Some(row.session().clone()))
            })
            .await?;
        if let Some(session) = written {
            opened.session = session;
            return Ok(opened);
        }
    }
}

async fn judge(
    tx: &Tx,
    generation: GenerationId,
    user: &UserId,
    channels: Option<BTreeSet<Channel>>,
    limit: usize,
    now: Timestamp,
) -> Result<(Opened, Place), StoreError> {
    let person = directory::history(tx, user).await?;
    let changed = directory::changed_place(tx, user).await?;
    let complete = deliver::head(tx).await?;
    let at = Moment { place: complete, time: now };
    let opening = Opening::offering(at);
    let open = Session { opening, channels };
    let found = backlog::unconfirmed(tx, generation, &person, (Place::ORIGIN, complete), INBOX_MAX).await?;
    let looked = found.last().filter(|_| found.len() == INBOX_MAX).map(Delivery::place);
    let mut pending: BTreeMap<Place, Delivery> = BTreeMap::new();
    for delivery in found {
        if open.verdict(&person, delivery.facts()).is_offered() {
            pending.entry(delivery.facts().first).or_insert(delivery);
        }
    }
    let selection = select_pending(pending.into_values(), limit);
    let opening = Opening { withheld: selection.withheld, looked, ..open.opening };
    let session = Session { opening, ..open };
    Ok((Opened { person, session, send: selection.send, left_out: selection.left_out, complete }, changed))
}

/// Goes on with a session that came with a cursor of this place: its row, or one that begins there. A row that
/// does not cover the cursor says why it does not go on; such a session opens anew.
pub async fn resume(
    tx: &Tx,
    user: &UserId,
    session: &SessionId,
    channels: Option<BTreeSet<Channel>>,
    cursor: Moment,
    current: bool,
) -> Result<Result<SessionReceipts, NotRecovered>, StoreError> {
    directory::hold(tx, user).await?;
    let row = find(tx, user, session).await?;
    let resumed = SessionReceipts::resume(row.as_ref(), channels, cursor, current);
    if let Ok(row) = &resumed {
        put(tx, user, session, row, cursor.time).await?;
        back(tx, user, session).await?;
    }
    Ok(resumed)
}

/// The person's newest session, if they have one.
pub async fn newest(tx: &Tx, user: &UserId) -> Result<Option<SessionId>, StoreError> {
    let row = tx
        .optional(
            "SELECT session_id FROM sessions WHERE user_id = $1 ORDER BY seen_at DESC, session_id DESC LIMIT 1",
            params![user.as_str()],
        )
        .await?;
    row.map(|row| row.parse(0)).transpose()
}

/// All sessions of a person.
pub async fn of(tx: &Tx, user: &UserId) -> Result<Vec<Session>, StoreError> {
    Ok(devices(tx, user).await?.iter().map(|device| device.row.session().clone()).collect())
}

/// Who of these people has a session.
pub(crate) async fn people(
    tx: &Tx,
    users: impl Iterator<Item = &UserId>,
) -> Result<BTreeSet<UserId>, StoreError> {
    let rows = tx
        .query(
            "SELECT DISTINCT user_id FROM sessions WHERE user_id IN (SELECT value FROM json_each($1))",
            params![directory::ids(users)],
        )
        .await?;
    rows.iter().map(|row| row.parse(0)).collect()
}

/// A device of a person.
#[derive(Clone, Debug)]
pub struct Device {
    /// How its session opened, and how far it confirmed.
    pub row: SessionReceipts,
    /// When its stream was ended because it did not take its frames; none once it has come back.
    pub cut_at: Option<Timestamp>,
}

/// All devices of a person.
pub(crate) async fn devices(tx: &Tx, user: &UserId) -> Result<Vec<Device>, StoreError> {
    let rows = tx
        .query("SELECT receipts, cut_at FROM sessions WHERE user_id = $1 LIMIT 100", params![user.as_str()])
        .await?;
    let mut devices = Vec::new();
    for row in &rows {
        let cut_at = row.get(1)?;
        let known = serde_json::from_str(&row.get::<String>(0)?).ok();
        devices.extend(known.map(|row| Device { row, cut_at }));
    }
    Ok(devices)
}

/// Notes that a device was too slow for its stream, until it comes back.
pub async fn cut(tx: &Tx, user: &UserId, session: &SessionId, at: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE sessions SET cut_at = $3 WHERE user_id = $1 AND session_id = $2",
        params![user.as_str(), session.as_str(), at],
    )
    .await?;
    Ok(())
}

/// Notes that a device has come back.
async fn back(tx: &Tx, user: &UserId, session: &SessionId) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE sessions SET cut_at = NULL WHERE user_id = $1 AND session_id = $2 AND cut_at IS NOT NULL",
        params![user.as_str(), session.as_str()],
    )
    .await?;
    Ok(())
}

/// A client's word that it has everything up to a place.
#[derive(Clone, Copy, Debug)]
pub struct Ack {
    /// The cursor's place.
    pub place: Place,
    /// The cursor's narrowing: it speaks only of what a session narrowed like this was sent.
    pub narrowing: Narrowing,
    /// Which opening of the session it was given under; none where the client cannot know.
    pub opening: Option<u32>,
}

/// Confirms all that was offered to a session at or before a place, before witnesses: forward only, in slices.
pub async fn confirm(
    store: &Store,
    generation: GenerationId,
    (user, session): (&UserId, &SessionId),
    ack: Ack,
    witnesses: &Witnesses,
    now: Timestamp,
) -> Result<(), StoreError> {
    // A client may have seen more than the projection has: what is not there yet is remembered, and found when the
    // session confirms again.
    let _complete = projection::reached(store, ack.place, REACH).await?;
    let mut from = Place::ORIGIN;
    loop {
        let (user, session, witnesses) = (user.clone(), session.clone(), witnesses.clone());
        let reached = store
            .transact(move |tx| async move {
                confirm_slice(&tx, generation, (&user, &session), (from, ack), &witnesses, now).await
            })
            .await?;
        planted::crash_point("after_receipt");
        match reached {
            Some(place) => from = place,
            None => return Ok(()),
        }
    }
}

/// Confirms a slice; answers from where the next one goes on. The session's row moves with the last slice, so
/// that a crash in between repeats slices and loses none.
async fn confirm_slice(
    tx: &Tx,
    generation: GenerationId,
    (user, session): (&UserId, &SessionId),
    (from, ack): (Place, Ack),
    witnesses: &Witnesses,
    now: Timestamp,
) -> Result<Option<Place>, StoreError> {
    directory::hold(tx, user).await?;
    let Some(mut row) = find(tx, user, session).await? else { return Ok(None) };
    if row.session().narrowing() != ack.narrowing {
        return Ok(None);
    }
    let opening = ack.opening.unwrap_or(row.session().opening.count);
    let complete = deliver::head(tx).await?;
    let Some(confirmed) = row.confirm(opening, ack.place, complete) else { return Ok(None) };
    let person = directory::history(tx, user).await?;
    let at = Moment { place: complete, time: now };
    let range = (confirmed.after.max(from), confirmed.upto);
    let messages = backlog::unconfirmed(tx, generation, &person, range, SLICE).await?;
    let mut fresh = Vec::new();
    for message in &messages {
        let subject = &message.facts().subject;
        if row.confirms(confirmed, &person, message.facts(), at)
            && receipts::delivered(tx, user, subject, now).await?
        {
            fresh.push(subject.clone());
        }
    }
    witnesses.tell(tx, user, &fresh, Word::Delivered, now).await?;
    if let Some(last) = messages.last().filter(|_| messages.len() == SLICE) {
        return Ok(Some(last.place()));
    }
    put(tx, user, session, &row, now).await?;
    planted::crash_point("before_receipt");
    Ok(None)
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use tidings_model::Audience;
    use tidings_store::Lane;

    use super::*;
    use crate::{
        DeliveryRecord, Item,
        change::{self, Wish},
        fresh, generations,
    };

    /// Says messages to Ann, as many as a transaction should write.
    async fn say(store: &Store, numbers: std::ops::Range<usize>) {
        let said = store.transact(move |tx| async move {
            let data = RawValue::from_string("{}".to_owned()).unwrap();
            for number in numbers {
                let (event, item) = (format!("evt_{number}").parse().unwrap(), format!("item-{number}"));
                let audience = Audience::of("user:ann".parse().unwrap());
                let times = (Timestamp(10), Timestamp(1000));
                let record =
                    DeliveryRecord::message(event, "message.created", &item, audience, times, data.clone());
                deliver(&tx, &record, Some(Item { kind: "message", data: &data })).await?;
            }
            Ok::<_, StoreError>(())
        });
        said.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_cursor_confirms_nothing_that_lies_beyond_what_the_opening_looked_at() {
        const MORE: usize = 500;
        let folder = tempfile::tempdir().unwrap();
        let store = fresh::store(folder.path()).await;
        let (ann, session): (UserId, SessionId) = ("ann".parse().unwrap(), "phone".parse().unwrap());
        change::change(&store, Lane::People, vec![Wish::of(ann.clone())], Timestamp(1)).await.unwrap();
        for from in (0..INBOX_MAX + MORE).step_by(MORE) {
            say(&store, from..from + MORE).await;
        }
        let generation = store.read(|tx| async move { generations::current(&tx).await }).await.unwrap();
        let now = Timestamp(20);
        let opened = open(&store, generation, &ann, &session, None, 200, now).await.unwrap();
        assert_eq!((opened.send.len(), opened.left_out), (200, (INBOX_MAX - 200) as u64));
        let ack = Ack { place: opened.complete, narrowing: Narrowing::NONE, opening: None };
        confirm(&store, generation, (&ann, &session), ack, &Witnesses::default(), now).await.unwrap();
        let confirmed = store.read(|tx| async move {
            let row = tx.one("SELECT COUNT(*) FROM item_receipts", params![]).await?;
            row.get::<u64>(0)
        });
        assert_eq!(confirmed.await.unwrap(), 200);
    }
}
