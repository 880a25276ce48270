//! A consumer on its own: a handler that bills orders, a record that fails for a while, one that never works, and the
//! dead letter that it becomes.
//!
//! `cargo run --package tidings-consumer --example orders`

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tidings_consumer::{Consumer, Handler, HandlerError, Logged, Options, dead_letter_topic, dead_letters};
use tidings_log::{Durability, EmbeddedLog, Log, Produce, TopicConfig};
use tidings_model::{Clock, Record, SystemClock};
use tidings_store::{Migration, Store, StoreOptions, Tx, params};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Where the example's own rows go.
const BILLS: Migration = Migration {
    owner: "example",
    name: "0001_bills",
    sqlite: "CREATE TABLE bills (
               customer TEXT   NOT NULL PRIMARY KEY,
               cents    BIGINT NOT NULL
             );",
};

/// Adds each order to its customer's bill.
struct Billing;

#[async_trait]
impl Handler for Billing {
    fn name(&self) -> &'static str {
        "billing"
    }

    fn topic(&self) -> &'static str {
        "orders"
    }

    fn group(&self) -> &'static str {
        "billing"
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        let value = record.value.as_deref().unwrap_or_default();
        let text = std::str::from_utf8(value).map_err(HandlerError::reject)?;
        // It will never be a number: no use to try again.
        let cents: u64 = text.parse().map_err(HandlerError::reject)?;
        let customer = record.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
        // The bill and the note that this order was handled commit together.
        tx.execute(
            "INSERT INTO bills (customer, cents)
             VALUES ($1, $2)
             ON CONFLICT (customer) DO UPDATE SET cents = bills.cents + excluded.cents",
            params![customer, cents],
        )
        .await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::temp_dir().join(format!("consumer-example-{}.db", std::process::id()));
    let mut options = StoreOptions::at(&file);
    options.migrations = [tidings_consumer::MIGRATIONS, &[BILLS]].concat();
    let store = Store::open(&options)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let log = EmbeddedLog::new(store.clone(), Arc::clone(&clock));
    let topic = |name: String| TopicConfig {
        alias: name.clone(),
        name,
        partitions: 3,
        retention: Duration::from_hours(24),
        retention_bytes: TopicConfig::RETENTION_BYTES,
        durability: Durability::Durable,
    };
    log.ensure_topics(&[topic("orders".to_owned()), topic(dead_letter_topic("orders"))]).await?;

    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let consumer = Consumer {
        group: "billing".into(),
        handlers: vec![Arc::new(Billing)],
        store: store.clone(),
        log: Arc::new(log.clone()),
        clock,
        options: Options::default(),
        observer: Arc::new(Logged),
    };
    let until = stop.clone();
    let running = tasks.spawn(async move { consumer.run(until).await });

    for (customer, cents) in [("alice", "250"), ("bob", "not a number"), ("alice", "400"), ("bob", "150")] {
        let (topic, key) = ("orders".to_owned(), Some(customer.as_bytes().to_vec()));
        let value = Some(cents.as_bytes().to_vec());
        log.produce(Produce { topic, key, value, ..Produce::default() }).await?;
    }

    // Until both bills are there; a program would simply run until it is told to stop.
    let bills = loop {
        let read = store.read::<_, tidings_store::StoreError, _, _>(|tx| async move {
            tx.query("SELECT customer, cents FROM bills ORDER BY customer", params![]).await
        });
        let rows = read.await?;
        let bills: Vec<(String, u64)> = rows
            .iter()
            .map(|row| Ok((row.get(0)?, row.get(1)?)))
            .collect::<Result<_, tidings_store::StoreError>>()?;
        if bills == [("alice".to_owned(), 650), ("bob".to_owned(), 150)] {
            break bills;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    tracing::info!(?bills, "billed");

    let given_up = store
        .read(|tx| async move { dead_letters::list(&tx, &dead_letters::Filter::default(), None, 10).await })
        .await?;
    assert_eq!(given_up.len(), 1, "bob's first order is kept with its reason");
    stop.cancel();
    tasks.close();
    running.await??;
    drop((log, store));
    std::fs::remove_file(&file)?;
    Ok(())
}
