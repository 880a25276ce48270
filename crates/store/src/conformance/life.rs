//! Rules about reads, and about the life of a store: opening, migrating, closing.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use super::{
    Keeper, NOTES, Setup, note, notes,
    transactions::{join_all, open},
};
use crate::{Migration, StoreError, params};

/// Two statements of a read see the same moment, whatever is written between them.
pub async fn a_read_is_one_snapshot(keeper: &dyn Keeper) {
    let store = open(keeper);
    note(&store, 1).await.expect("it is written");
    let (entered, inside) = std::sync::mpsc::sync_channel::<()>(1);
    let (written, go_on) = std::sync::mpsc::sync_channel::<()>(1);
    let reading = store.read(move |tx| async move {
        let count = "SELECT COUNT(*) FROM notes";
        let before = tx.one(count, params![]).await?.get::<u64>(0)?;
        entered.send(()).expect("the writer listens");
        go_on.recv().expect("the writer writes");
        Ok::<_, StoreError>((before, tx.one(count, params![]).await?.get::<u64>(0)?))
    });
    let writing = async {
        tokio::task::block_in_place(|| inside.recv()).expect("the read began");
        note(&store, 2).await.expect("a reader holds no writer up");
        written.send(()).expect("the read waits");
    };
    let (seen, ()) = tokio::join!(reading, writing);
    assert_eq!(seen.expect("it is read"), (1, 1));
    assert_eq!(notes(&store).await, [1, 2]);
}

/// A read is not a way around the writer.
pub async fn a_read_cannot_write(keeper: &dyn Keeper) {
    let store = open(keeper);
    let wrote = store
        .read(|tx| async move { tx.execute("INSERT INTO notes (note) VALUES ($1)", params![1_i64]).await })
        .await;
    assert!(wrote.is_err());
    assert_eq!(notes(&store).await, [0_i64; 0]);
}

/// A read that never ends is ended: in the middle of a statement as well as between two.
pub async fn a_read_has_a_limit(keeper: &dyn Keeper) {
    let limit = Duration::from_millis(100);
    let store = keeper.open(&Setup { read_limit: limit, ..Setup::default() }).expect("the store opens");
    let started = Instant::now();
    let endless = store
        .read(|tx| async move {
            tx.one(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n",
                params![],
            )
            .await
        })
        .await;
    assert!(matches!(endless, Err(StoreError::ReadLimit { limit_ms: 100 })), "{endless:?}");
    let short = store
        .read(|tx| async move {
            loop {
                tx.one("SELECT 1", params![]).await?;
            }
            #[expect(unreachable_code, reason = "gives the body its type")]
            Ok::<(), StoreError>(())
        })
        .await;
    assert!(matches!(short, Err(StoreError::ReadLimit { .. })), "{short:?}");
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(notes(&store).await, [0_i64; 0], "the connection serves again");
}

/// An answer is a promise.
pub async fn what_was_answered_is_there_after_reopening(keeper: &dyn Keeper) {
    let store = open(keeper);
    for done in join_all((0..100).map(|number| note(&store, number))).await {
        done.expect("it is written");
    }
    drop(store);
    assert_eq!(notes(&open(keeper)).await, (0..100).collect::<Vec<i64>>());
}

/// Closing finishes what is in hand.
pub async fn what_waited_at_the_close_is_done(keeper: &dyn Keeper) {
    let store = open(keeper);
    let mut waiting = Vec::new();
    for number in 0..50 {
        let store = store.clone();
        let mut one = Box::pin(async move { note(&store, number).await });
        // The first poll puts it into its lane; the caller then goes away without its answer.
        let polled = one.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        drop(polled);
        waiting.push(one);
    }
    drop(waiting);
    drop(store);
    assert_eq!(notes(&open(keeper)).await, (0..50).collect::<Vec<i64>>());
}

const SECOND: Migration = Migration {
    owner: "conformance",
    name: "0002_more",
    sqlite: "INSERT INTO notes (note) SELECT COUNT(*) FROM notes;",
};

/// Forward only, each once.
pub async fn migrations_run_once_and_in_order(keeper: &dyn Keeper) {
    let setup = Setup { migrations: vec![NOTES, SECOND], ..Setup::default() };
    drop(open(keeper));
    for _ in 0..2 {
        let store = keeper.open(&setup).expect("the store opens");
        assert_eq!(notes(&store).await, [0]);
    }
}

/// A step is done or not begun.
pub async fn a_migration_that_fails_leaves_nothing(keeper: &dyn Keeper) {
    let broken = Migration {
        owner: "conformance",
        name: "0002_broken",
        sqlite: "INSERT INTO notes (note) VALUES (7); INSERT INTO nowhere VALUES (1);",
    };
    drop(open(keeper));
    let refused = keeper.open(&Setup { migrations: vec![NOTES, broken], ..Setup::default() });
    assert!(refused.is_err());
    assert_eq!(notes(&open(keeper)).await, [0_i64; 0]);
}

/// An older version keeps its hands off what it does not understand.
pub async fn a_newer_schema_is_refused_and_not_touched(keeper: &dyn Keeper) {
    let newer = Setup { migrations: vec![NOTES, SECOND], ..Setup::default() };
    drop(keeper.open(&newer).expect("the store opens"));
    let other =
        Migration { owner: "other", name: "0001_other", sqlite: "INSERT INTO notes (note) VALUES (9);" };
    let older = Setup { migrations: vec![NOTES, other], ..Setup::default() };
    let refused = keeper.open(&older).expect_err("an older version is refused").to_string();
    assert!(refused.contains("conformance/0002_more"), "{refused}");
    assert!(refused.contains("start the newer version"), "{refused}");
    assert_eq!(notes(&keeper.open(&newer).expect("the store opens")).await, [0]);
}

/// Neither constant writing nor readers that overlap without a gap let the log grow for ever.
pub async fn the_write_ahead_log_stays_bounded_beside_constant_reading(keeper: &dyn Keeper) {
    const TEXT: usize = 64 << 10;
    let store = open(keeper);
    let done = AtomicBool::new(false);
    let writing = async {
        let mut number = 0_i64;
        let mut longest = 0;
        // 256 MiB in all, or until the log has started over a few times.
        while number < 4096 && store.stats().wal_restarts < 3 {
            number += 1;
            let written = store
                .transact(move |tx| async move {
                    let sql = "INSERT INTO notes (note, text) VALUES ($1, $2)
                               ON CONFLICT (note) DO UPDATE SET text = excluded.text";
                    tx.execute(sql, params![number % 64, format!("{number:08}").repeat(TEXT / 8)]).await
                })
                .await;
            written.expect("it is written");
            longest = longest.max(store.stats().wal_pages);
        }
        done.store(true, Ordering::Relaxed);
        longest
    };
    let reading = || async {
        while !done.load(Ordering::Relaxed) {
            let read = store.read(|tx| async move {
                for _ in 0..50 {
                    tx.one("SELECT SUM(octet_length(text)) FROM notes", params![]).await?;
                }
                Ok::<_, StoreError>(())
            });
            read.await.expect("it is read");
        }
    };
    let (longest, (), ()) = tokio::join!(writing, reading(), reading());
    let stats = store.stats();
    assert!(stats.wal_restarts >= 1, "{stats:?}, longest {longest} pages");
    assert!(longest < 40_000, "{longest} pages");
}
