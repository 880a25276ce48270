//! A whole program of consumers, without a server: accounts are opened, orders are billed to them.
//!
//! An order whose customer has no account yet is tried again, for the account may be on its way; one that is no amount
//! is given up at once. What is given up becomes a record of `orders-dlt`, as Spring Kafka would write it. Bills commit
//! together with the place in the topic, so that a program which is killed anywhere bills each order once.
//!
//!     orders orders.db                          the log lies in the file too; a few orders of its own, then it ends
//!     orders orders.db localhost:9092 [PREFIX]  topics of Kafka, and its group, behind a prefix; until Ctrl-C

#![expect(clippy::print_stdout, reason = "it shows what it did")]

use std::{pin::pin, sync::Arc, time::Duration};

use tidings_consumer::{
    Alone, Backoff, Handler, HandlerError, Logged, Observer, Options, Setup, async_trait, dead_letters,
    log::{KafkaSettings, Produce, TopicConfig},
    model::{Record, SystemClock},
    store::{Migration, Store, StoreError, Tx, params},
};
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The program's own table; more tables are more migrations.
const BILLS: Migration = Migration {
    owner: "orders",
    name: "0001_bills",
    sqlite: "CREATE TABLE bills (
               -- Who has an account
               customer TEXT   NOT NULL PRIMARY KEY,
               -- What was ordered in all
               cents    BIGINT NOT NULL
             );",
};

/// Opens an account for the key of each record of the topic `accounts`.
struct Accounts;

#[async_trait]
impl Handler for Accounts {
    fn name(&self) -> &'static str {
        "accounts"
    }

    fn topic(&self) -> &'static str {
        "accounts"
    }

    fn group(&self) -> &'static str {
        "billing"
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        tx.execute(
            "INSERT INTO bills (customer, cents)
             VALUES ($1, 0)
             ON CONFLICT (customer) DO NOTHING",
            params![customer(record)],
        )
        .await?;
        Ok(())
    }
}

/// Adds each record of the topic `orders`, an amount in cents, to the bill of the customer that is its key.
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
        // It will never be an amount: no use to try again.
        let text = std::str::from_utf8(value).map_err(HandlerError::reject)?;
        let cents: u32 = text.parse().map_err(HandlerError::reject)?;
        let billed = tx
            .execute(
                "UPDATE bills SET cents = cents + $2 WHERE customer = $1",
                params![customer(record), cents],
            )
            .await?;
        if billed == 0 {
            return Err(HandlerError::retry("the customer has no account yet"));
        }
        Ok(())
    }
}

fn customer(record: &Record) -> String {
    record.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default().into_owned()
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let database = arguments.next().ok_or("usage: orders FILE [BROKERS [PREFIX]]")?;
    let (brokers, prefix) = (arguments.next(), arguments.next().unwrap_or_default());
    let alone = Alone::open(Setup {
        database,
        kafka: brokers.as_deref().map(|brokers| cluster(brokers, &prefix)),
        // A handler knows a topic by one name, and the log may know it by another.
        topics: ["accounts", "orders"].map(|topic| named(topic, &prefix)).into(),
        migrations: vec![BILLS],
        clock: Arc::new(SystemClock),
        instance: "orders".to_owned(),
    })
    .await?;
    let handlers: [Arc<dyn Handler>; 2] = [Arc::new(Accounts), Arc::new(Billing)];
    let observer: Arc<dyn Observer> = Arc::new(Logged);
    // Three attempts within a second; the usual six take half a minute.
    let options = Options {
        backoff: Backoff { waits: [200, 500].map(Duration::from_millis).to_vec(), jitter: 0.2 },
        ..Options::default()
    };
    let stop = CancellationToken::new();
    let mut running = pin!(alone.run(&handlers, &options, &observer, stop.clone()));
    let until_the_end =
        async { if brokers.is_some() { Ok(tokio::signal::ctrl_c().await?) } else { show(&alone).await } };
    tokio::select! {
        // Only a failure ends consumers before they are told to.
        ended = &mut running => return Ok(ended?),
        shown = until_the_end => shown?,
    }
    stop.cancel();
    Ok(running.await?)
}

/// The group and its topics, with other names on a cluster that others use too.
fn cluster(brokers: &str, prefix: &str) -> KafkaSettings {
    KafkaSettings { group_prefix: prefix.to_owned(), ..KafkaSettings::at(brokers.split(',')) }
}

fn named(topic: &str, prefix: &str) -> TopicConfig {
    TopicConfig { alias: topic.to_owned(), ..TopicConfig::named(format!("{prefix}{topic}"), 3) }
}

/// Orders something, and waits until all of it is billed or given up.
async fn show(alone: &Alone) -> Result<(), Failure> {
    let said = [
        ("accounts", "alice", ""),
        ("orders", "alice", "250"),
        ("orders", "bob", "100"),
        ("orders", "alice", "a few"),
        ("orders", "alice", "400"),
    ];
    for (topic, key, value) in said {
        let (topic, key, value) = (topic.to_owned(), Some(key.into()), Some(value.into()));
        alone.log().produce(Produce { topic, key, value, ..Produce::default() }).await?;
    }
    loop {
        let (cents, given_up) = (bill(alone.store(), "alice").await?, given_up(alone.store()).await?);
        if cents == Some(650) && given_up.len() == 2 {
            println!("alice owes {} cents; given up:", 650);
            for letter in given_up {
                println!("  {} after {} attempts: {}", letter.id, letter.attempts, letter.causes.join(": "));
            }
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn bill(store: &Store, customer: &'static str) -> Result<Option<u64>, StoreError> {
    let read = store.read(move |tx| async move {
        let row = tx.optional("SELECT cents FROM bills WHERE customer = $1", params![customer]).await?;
        row.map(|row| row.get(0)).transpose()
    });
    read.await
}

async fn given_up(store: &Store) -> Result<Vec<dead_letters::DeadLetter>, StoreError> {
    store
        .read(|tx| async move { dead_letters::list(&tx, &dead_letters::Filter::default(), None, 10).await })
        .await
}
