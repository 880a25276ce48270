//! How far was looked, and what had been said when.

use std::time::Duration;

use tidings::{
    delivery::{core::Place, unconfirmed::Looked},
    model::Timestamp,
    store::{StoreError, Tx, params},
};

/// How far was looked; none before the first look.
pub(crate) async fn looked(tx: &Tx) -> Result<Option<Looked>, StoreError> {
    let row = tx.optional("SELECT place, after_user FROM webhook_looked WHERE one = 1", params![]).await?;
    row.map(|row| {
        let after: Option<String> = row.get(1)?;
        let after = after.map(|_user| row.parse(1)).transpose()?;
        Ok(Looked { place: Place(row.get(0)?), after })
    })
    .transpose()
}

/// Keeps how far was looked.
pub(crate) async fn keep(tx: &Tx, looked: &Looked) -> Result<(), StoreError> {
    let after = looked.after.as_ref().map(ToString::to_string);
    tx.execute(
        "INSERT INTO webhook_looked (one, place, after_user) VALUES (1, $1, $2)
         ON CONFLICT (one)
         DO UPDATE SET place = excluded.place, after_user = excluded.after_user",
        params![looked.place.0, after],
    )
    .await?;
    Ok(())
}

/// Notes how far the log is now, if it went on and the last note is older than `pause`.
pub(crate) async fn note(tx: &Tx, head: Place, now: Timestamp, pause: Duration) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO webhook_heads (seen_at, place)
         SELECT $1, $2
         WHERE NOT EXISTS (SELECT 1 FROM webhook_heads WHERE seen_at > $3 OR place >= $2)",
        params![now, head.0, now.minus(pause)],
    )
    .await?;
    Ok(())
}

/// What had been said by a moment; none where that is not known. Older notes are forgotten.
pub(crate) async fn said_by(tx: &Tx, at: Timestamp) -> Result<Option<Place>, StoreError> {
    let row = tx.one("SELECT MAX(place) FROM webhook_heads WHERE seen_at <= $1", params![at]).await?;
    let place: Option<u64> = row.get(0)?;
    if let Some(place) = place {
        tx.execute("DELETE FROM webhook_heads WHERE place < $1", params![place]).await?;
    }
    Ok(place.map(Place))
}
