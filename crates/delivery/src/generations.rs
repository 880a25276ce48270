//! The generations of the delivery log, as the store keeps them.

use tidings_delivery_core::{Generation, GenerationId, Generations, Place};
use tidings_store::{Store, StoreError, Tx, params};

use crate::{Mark, deliver};

/// The lock of those who begin a generation.
const GENERATIONS: &str = "generations";

/// Loads the generations. A log that has none begins its first with the random id `fresh`, and so does one that
/// is not the log that was marked: somebody copied the database back. Of processes that start at once, one begins it
/// and the others find it.
pub async fn load(
    store: &Store,
    mark: Option<&Mark>,
    fresh: GenerationId,
) -> Result<Generations, StoreError> {
    let (head, known) = store
        .read(|tx| async move { Ok::<_, StoreError>((deliver::head(&tx).await?, stored(&tx).await?)) })
        .await?;
    let is_replaced = match Generations::from_stored(known) {
        // Where a relay fills the log, each reader compares its own place with it.
        Some(known) if mark.is_none_or(|mark| mark.agrees(known.current().id, head)) => return Ok(known),
        known => known.is_some(),
    };
    if is_replaced {
        tracing::warn!(head = head.0, "the database is not the one that was marked; a new generation begins");
    }
    store
        .transact(move |tx| async move {
            tx.lock(GENERATIONS, "").await?;
            let (head, known) = (deliver::head(&tx).await?, Generations::from_stored(stored(&tx).await?));
            let generations = match known {
                Some(known) if !is_replaced => return Ok(known),
                Some(mut known) => {
                    known.regenerate(fresh, head.next());
                    known
                }
                None => {
                    let mut first = Generations::new(fresh);
                    if head > Place::ORIGIN {
                        first.regenerate(fresh, head.next());
                    }
                    first
                }
            };
            put(&tx, generations.current()).await?;
            Ok(generations)
        })
        .await
}

/// Begins a generation for a log that is not the one that was projected up to `head`.
pub(crate) async fn begin_another(
    tx: &Tx,
    fresh: GenerationId,
    head: Place,
) -> Result<Generation, StoreError> {
    tx.lock(GENERATIONS, "").await?;
    let mut known = all(tx).await?;
    known.another_log(fresh, head);
    put(tx, known.current()).await?;
    Ok(known.current())
}

async fn put(tx: &Tx, Generation { id, first, base }: Generation) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO delivery_generations (generation_id, first_place, base) VALUES ($1, $2, $3)",
        params![id.0.cast_signed(), first.0, base],
    )
    .await?;
    Ok(())
}

/// All of them; before the first began, one that nobody has a cursor of.
pub(crate) async fn all(tx: &Tx) -> Result<Generations, StoreError> {
    Ok(Generations::from_stored(stored(tx).await?).unwrap_or_else(|| Generations::new(GenerationId(0))))
}

async fn stored(tx: &Tx) -> Result<Vec<Generation>, StoreError> {
    let rows = tx
        .query(
            "SELECT generation_id, first_place, base FROM delivery_generations ORDER BY first_place",
            params![],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Generation {
                id: GenerationId(row.get::<i64>(0)?.cast_unsigned()),
                first: Place(row.get(1)?),
                base: row.get(2)?,
            })
        })
        .collect()
}

/// The generation that is current.
pub async fn current(tx: &Tx) -> Result<GenerationId, StoreError> {
    Ok(all(tx).await?.current().id)
}

#[cfg(test)]
mod tests {
    use tidings_store::conformance::each_store;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn of_processes_that_start_at_once_one_begins_the_first_generation() {
        let folder = tempfile::tempdir().unwrap();
        each_store(folder.path(), crate::MIGRATIONS, |store| async move {
            let tasks = tokio_util::task::TaskTracker::new();
            let starts = (1..=8).map(|id| {
                let store = store.clone();
                tasks.spawn(async move { load(&store, None, GenerationId(id)).await })
            });
            let mut current = Vec::new();
            for started in starts.collect::<Vec<_>>() {
                current.push(started.await.unwrap().unwrap().current());
            }
            current.dedup();
            assert_eq!(current.len(), 1, "{current:?}");
            let stored = store.read(|tx| async move { stored(&tx).await }).await.unwrap();
            assert_eq!(stored, current);
        })
        .await;
    }
}
