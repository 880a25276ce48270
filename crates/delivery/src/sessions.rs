//! Sessions: one person on one device, across reconnects; how each opened and how far its cursor confirmed.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::try_join3;
use tidings_delivery_core::{
    GenerationId, Moment, Narrowing, NotRecovered, Place, receipts::SessionReceipts, session::Session,
};
use tidings_model::{Channel, SessionId, Timestamp, UserId, planted};
use tidings_store::{Store, StoreError, Tx, params};

use crate::{Delivery, Witnesses, Word, backlog, deliver, directory, projection, receipts};

/// Messages that one transaction confirms; the rest follows in further ones.
const SLICE: usize = 100;
/// How long a confirmation waits for the projection.
const REACH: Duration = Duration::from_secs(2);

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

pub(crate) async fn put(
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

/// A session of a person; none for the newest.
async fn named(
    tx: &Tx,
    user: &UserId,
    session: Option<SessionId>,
) -> Result<Option<(SessionId, SessionReceipts)>, StoreError> {
    if let Some(session) = session {
        return Ok(find(tx, user, &session).await?.map(|row| (session, row)));
    }
    let row = tx
        .optional(
            "SELECT session_id, receipts
             FROM sessions
             WHERE user_id = $1
             ORDER BY seen_at DESC, session_id DESC
             LIMIT 1",
            params![user.as_str()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let session = row.parse(0)?;
    Ok(serde_json::from_str(&row.get::<String>(1)?).ok().map(|row| (session, row)))
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
pub(crate) async fn back(tx: &Tx, user: &UserId, session: &SessionId) -> Result<(), StoreError> {
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

/// Confirms all that was offered to a session at or before a place, before witnesses: forward only, in slices. Without a
/// session it is the person's newest; answers whether there is one.
pub async fn confirm(
    store: &Store,
    generation: GenerationId,
    (user, session): (&UserId, Option<&SessionId>),
    ack: Ack,
    witnesses: &Witnesses,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (mut session, mut from, mut waits) = (session.cloned(), Place::ORIGIN, true);
    loop {
        let (user, named, witnesses) = (user.clone(), session.clone(), witnesses.clone());
        let slice = store
            .transact(move |tx| async move {
                confirm_slice(&tx, generation, (&user, named), (from, ack), waits, &witnesses, now).await
            })
            .await?;
        planted::crash_point("after_receipt");
        match slice {
            Slice::NoSession => return Ok(false),
            // What is not there yet is remembered, and found when the session confirms again.
            Slice::Ahead => {
                let _reached = projection::reached(store, ack.place, REACH).await?;
                waits = false;
            }
            Slice::Upto(named, place) => (session, from) = (Some(named), place),
            Slice::Whole => return Ok(true),
        }
    }
}

/// What a slice came to.
enum Slice {
    /// There is no such session.
    NoSession,
    /// The client has seen more than the projection has.
    Ahead,
    /// The next one goes on from here.
    Upto(SessionId, Place),
    /// All is confirmed.
    Whole,
}

/// Confirms a slice. The session's row moves with the last one, so that a crash in between repeats slices and loses
/// none.
async fn confirm_slice(
    tx: &Tx,
    generation: GenerationId,
    (user, session): (&UserId, Option<SessionId>),
    (from, ack): (Place, Ack),
    waits: bool,
    witnesses: &Witnesses,
    now: Timestamp,
) -> Result<Slice, StoreError> {
    directory::hold(tx, user).await?;
    let asked = try_join3(named(tx, user, session), deliver::head(tx), directory::history(tx, user));
    let (Some((session, mut row)), complete, person) = asked.await? else { return Ok(Slice::NoSession) };
    if waits && complete < ack.place {
        return Ok(Slice::Ahead);
    }
    if row.session().narrowing() != ack.narrowing {
        return Ok(Slice::Whole);
    }
    let opening = ack.opening.unwrap_or(row.session().opening.count);
    let Some(confirmed) = row.confirm(opening, ack.place, complete) else { return Ok(Slice::Whole) };
    let at = Moment { place: complete, time: now };
    let range = (confirmed.after.max(from), confirmed.upto);
    let look = backlog::unconfirmed(tx, generation, &person, range, SLICE).await?;
    let confirms = look
        .found
        .iter()
        .map(Delivery::facts)
        .filter(|message| row.confirms(confirmed, &person, message, at));
    let subjects = confirms.map(|message| message.subject.clone()).collect();
    let fresh = receipts::delivered_all(tx, user, subjects, now).await?;
    witnesses.tell(tx, user, &fresh, Word::Delivered, now).await?;
    if look.upto < confirmed.upto {
        return Ok(Slice::Upto(session, look.upto));
    }
    put(tx, user, &session, &row, now).await?;
    planted::crash_point("before_receipt");
    Ok(Slice::Whole)
}
