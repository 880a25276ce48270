//! Sessions: one person on one device, across reconnects, and how far their cursor confirmed.

use tidings_delivery_core::Place;
use tidings_model::{SessionId, Timestamp, UserId};
use tidings_store::{StoreError, Tx, params};

use crate::{Person, receipts};

/// Messages that one confirmation looks at; the rest follows in further slices.
const SLICE: usize = 200;

/// Notes that a session is there. What it confirmed before stays confirmed.
pub async fn begin(tx: &Tx, user: &UserId, session: &SessionId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO sessions (user_id, session_id, confirmed_place, withheld, seen_at)
         VALUES ($1, $2, 0, '[]', $3)
         ON CONFLICT (user_id, session_id) DO UPDATE SET seen_at = excluded.seen_at",
        params![user.as_str(), session.as_str(), now],
    )
    .await?;
    Ok(())
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

/// Confirms all that was offered to a session at or before a place: forward only.
///
/// Answers the place that is confirmed now; it is before `upto` when more slices are left.
pub async fn confirm(
    tx: &Tx,
    person: &Person,
    session: &SessionId,
    upto: Place,
    now: Timestamp,
) -> Result<Place, StoreError> {
    let confirmed = tx
        .optional(
            "SELECT confirmed_place FROM sessions WHERE user_id = $1 AND session_id = $2",
            params![person.user_id.as_str(), session.as_str()],
        )
        .await?;
    let Some(confirmed) = confirmed else { return Ok(upto) };
    let confirmed = Place(confirmed.get(0)?);
    if confirmed >= upto {
        return Ok(confirmed);
    }
    let rows = tx
        .query(
            "SELECT DISTINCT r.place, r.subject, r.record
             FROM delivery_channels c
             JOIN delivery_records r ON r.place = c.place
             WHERE c.channel IN (SELECT value FROM json_each($1))
               AND c.place > $2 AND c.place <= $3
               AND r.kind = 'message'
             ORDER BY r.place
             LIMIT $4",
            params![person.channels_json(), confirmed.0, upto.0, SLICE],
        )
        .await?;
    let mut reached = upto;
    if rows.len() == SLICE {
        reached = Place(rows.last().map_or(Ok(upto.0), |row| row.get(0))?);
    }
    for row in &rows {
        let record: Vec<u8> = row.get(2)?;
        let addressed = serde_json::from_slice(&record).is_ok_and(|record| person.is_addressed(&record));
        if addressed {
            receipts::delivered(tx, &person.user_id, &row.get::<String>(1)?, now).await?;
        }
    }
    tx.execute(
        "UPDATE sessions SET confirmed_place = $3, seen_at = $4 WHERE user_id = $1 AND session_id = $2",
        params![person.user_id.as_str(), session.as_str(), reached.0, now],
    )
    .await?;
    Ok(reached)
}
