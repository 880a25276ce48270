//! How many records share a transaction.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use tidings_consumer::{Handler, HandlerError, Options};
use tidings_model::Record;
use tidings_store::{Tx, params};

use crate::world::World;

/// Rows that one record of these writes.
const WIDE: usize = 100;

/// Writes many rows for each record, and remembers the most that it found written before one.
#[derive(Default)]
struct Wide(AtomicU64);

#[async_trait]
impl Handler for Wide {
    fn name(&self) -> &'static str {
        "wide"
    }

    fn topic(&self) -> &'static str {
        "orders"
    }

    fn group(&self) -> &'static str {
        "group"
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        self.0.fetch_max(tx.changed_rows(), Ordering::Relaxed);
        let value = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
        for _ in 0..WIDE {
            let insert = "INSERT INTO effects (who, partition_id, value) VALUES ('wide', $1, $2)";
            tx.execute(insert, params![record.partition, &value]).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn records_that_write_much_share_a_short_transaction_and_none_is_left_out_or_done_twice() {
    let world = World::new(1, 0).await;
    let values: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    for value in &values {
        world.put(0, value).await;
    }
    let handler = Arc::new(Wide::default());
    let stop = world.run_with(&handler, &world.log, Options::default());
    world.until_effects(values.len() * WIDE).await;
    stop.cancel();
    world.ended().await;
    let wanted: Vec<String> = values.into_iter().flat_map(|value| vec![value; WIDE]).collect();
    assert_eq!(world.values().await, wanted);
    let found = handler.0.load(Ordering::Relaxed);
    assert!((100..250).contains(&found), "a record found {found} rows changed before it");
}
