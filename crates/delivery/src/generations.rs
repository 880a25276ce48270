//! The generations of the delivery log, as the store keeps them.

use tidings_delivery_core::{Generation, GenerationId, Generations, Place};
use tidings_store::{Store, StoreError, Tx, params};

use crate::{Mark, deliver};

/// Loads the generations. A log that has none begins its first with the random id `fresh`, and so does one that
/// is not the log that was marked: somebody copied the database back.
pub async fn load(
    store: &Store,
    mark: Option<&Mark>,
    fresh: GenerationId,
) -> Result<Generations, StoreError> {
    let (head, stored) = store
        .read(|tx| async move { Ok::<_, StoreError>((deliver::head(&tx).await?, stored(&tx).await?)) })
        .await?;
    let mut generations = match Generations::from_stored(stored) {
        // Where a relay fills the log, each reader compares its own place with it.
        Some(generations) if mark.is_none_or(|mark| mark.agrees(generations.current().id, head)) => {
            return Ok(generations);
        }
        Some(mut generations) => {
            tracing::warn!(
                head = head.0,
                "the database is not the one that was marked; a new generation begins"
            );
            generations.regenerate(fresh, head.next());
            generations
        }
        None => Generations::new(fresh),
    };
    if generations.iter().count() == 1 && head > Place::ORIGIN {
        generations.regenerate(fresh, head.next());
    }
    let first = generations.current();
    store
        .transact(move |tx| async move {
            tx.execute(
                "INSERT INTO delivery_generations (generation_id, first_place) VALUES ($1, $2)",
                params![first.id.0.cast_signed(), first.first.0],
            )
            .await?;
            Ok::<_, StoreError>(())
        })
        .await?;
    Ok(generations)
}

async fn stored(tx: &Tx) -> Result<Vec<Generation>, StoreError> {
    let rows = tx
        .query("SELECT generation_id, first_place FROM delivery_generations ORDER BY first_place", params![])
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Generation { id: GenerationId(row.get::<i64>(0)?.cast_unsigned()), first: Place(row.get(1)?) })
        })
        .collect()
}

/// The generation that is current.
pub(crate) async fn current(tx: &Tx) -> Result<GenerationId, StoreError> {
    let stored = stored(tx).await?;
    Ok(stored.last().map_or(GenerationId(0), |generation| generation.id))
}
