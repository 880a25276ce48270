//! The generations of the delivery log, as the store keeps them.

use tidings_delivery_core::{Generation, GenerationId, Generations, Place};
use tidings_store::{Store, StoreError, params};

/// Loads the generations; a log that has none begins its first with this random id.
pub async fn load(store: &Store, fresh: GenerationId) -> Result<Generations, StoreError> {
    store
        .transact(move |tx| async move {
            let rows = tx
                .query(
                    "SELECT generation_id, first_place
                     FROM delivery_generations
                     ORDER BY first_place",
                    params![],
                )
                .await?;
            let stored: Vec<Generation> = rows
                .iter()
                .map(|row| {
                    let id = GenerationId(row.get::<i64>(0)?.cast_unsigned());
                    Ok(Generation { id, first: Place(row.get(1)?) })
                })
                .collect::<Result<_, StoreError>>()?;
            if let Some(generations) = Generations::from_stored(stored) {
                return Ok(generations);
            }
            let generations = Generations::new(fresh);
            let first = generations.current();
            tx.execute(
                "INSERT INTO delivery_generations (generation_id, first_place) VALUES ($1, $2)",
                params![first.id.0.cast_signed(), first.first.0],
            )
            .await?;
            Ok(generations)
        })
        .await
}
