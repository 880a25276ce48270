//! Rules about one transaction and its neighbours in the same commit.

use super::{Keeper, Setup, lanes::hold_the_writer, note, notes};
use crate::{Store, StoreError, Tx, params};

/// Opens the keeper's database as most rules want it.
pub(super) fn open(keeper: &dyn Keeper) -> Store {
    keeper.open(&Setup::default()).expect("the store opens")
}

async fn put(tx: &Tx, note: i64) -> Result<(), StoreError> {
    tx.execute("INSERT INTO notes (note) VALUES ($1)", params![note]).await?;
    Ok(())
}

fn refuse() -> StoreError {
    StoreError::UnknownTopic { topic: "refused by the body".to_owned() }
}

/// All or nothing.
pub async fn a_body_that_fails_keeps_nothing(keeper: &dyn Keeper) {
    let store = open(keeper);
    let failed = store
        .transact(|tx| async move {
            put(&tx, 1).await?;
            put(&tx, 2).await?;
            Err::<(), _>(refuse())
        })
        .await;
    assert!(matches!(failed, Err(StoreError::UnknownTopic { .. })), "{failed:?}");
    assert_eq!(notes(&store).await, [0_i64; 0]);
}

/// Bodies share a commit, not a fate: while one is slow, a hundred gather, of which each third fails.
pub async fn a_body_that_fails_takes_nobody_with_it(keeper: &dyn Keeper) {
    let store = open(keeper);
    let all = (0..100).map(|number| {
        store.transact(move |tx| async move {
            put(&tx, number).await?;
            if number % 3 == 0 { Err(refuse()) } else { Ok(number) }
        })
    });
    let mut kept = Vec::new();
    for done in join_all(all).await {
        kept.extend(done.ok());
    }
    let wanted: Vec<i64> = (0..100).filter(|number| number % 3 != 0).collect();
    assert_eq!(kept, wanted);
    assert_eq!(notes(&store).await, wanted);
}

/// One transaction asks once for a name; another one, and one for another name, asks again, and a failure is no answer.
pub async fn what_a_transaction_found_is_asked_for_once_in_it(keeper: &dyn Keeper) {
    async fn count(tx: &Tx) -> Result<u64, StoreError> {
        tx.one("SELECT COUNT(*) FROM notes", params![]).await?.get(0)
    }
    let store = open(keeper);
    for before in [0, 2] {
        let found = store.transact(move |tx| async move {
            let failed = tx.once("notes", "all", async { Err::<u64, _>(refuse()) }).await;
            assert!(failed.is_err(), "nothing was found");
            let first = tx.once("notes", "all", count(&tx)).await?;
            put(&tx, before).await?;
            let again = tx.once("notes", "all", count(&tx)).await?;
            let other = tx.once("notes", "others", count(&tx)).await?;
            put(&tx, before + 1).await?;
            Ok::<_, StoreError>((*first, *again, *other))
        });
        let before = before.cast_unsigned();
        assert_eq!(found.await.expect("it is kept"), (before, before, before + 1));
    }
}

/// A panic is its body's own.
pub async fn a_body_that_panics_fails_alone(keeper: &dyn Keeper) {
    let store = open(keeper);
    let all = (0..20).map(|number| {
        store.transact(move |tx| async move {
            put(&tx, number).await?;
            assert!(number != 7, "this body panics on purpose");
            Ok::<_, StoreError>(())
        })
    });
    for (number, done) in join_all(all).await.into_iter().enumerate() {
        assert_eq!(matches!(done, Err(StoreError::Panicked)), number == 7, "{number}: {done:?}");
    }
    assert_eq!(notes(&store).await.len(), 19);
}

/// An answer that panics when it is dropped.
struct Thorn;

impl Drop for Thorn {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "this answer panics on purpose");
    }
}

/// Whoever goes away leaves the answer behind, and an answer can be anything.
pub async fn an_answer_that_nobody_takes_harms_nobody(keeper: &dyn Keeper) {
    let store = open(keeper);
    let (door, held) = hold_the_writer(&store);
    let mut waiting = Box::pin(store.transact(|tx| async move {
        put(&tx, 1).await?;
        Ok::<_, StoreError>(Thorn)
    }));
    // The first poll puts it into its lane.
    let polled = waiting.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert!(polled.is_pending());
    drop(waiting);
    door.open();
    held.await.expect("it commits");
    note(&store, 2).await.expect("the writer goes on");
    // Where transactions run beside each other, the one that nobody waits for may end later.
    let both = async {
        while notes(&store).await != [1, 2] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), both).await.expect("both are written");
}

/// A body awaits its transaction and nothing else: the writer waits for nobody.
pub async fn a_body_that_waits_for_something_else_fails_alone(keeper: &dyn Keeper) {
    let store = open(keeper);
    let waiting = store.transact(|tx| async move {
        put(&tx, 1).await?;
        tokio::task::yield_now().await;
        put(&tx, 2).await
    });
    let (waited, went_on) = tokio::join!(waiting, note(&store, 3));
    assert!(matches!(waited, Err(StoreError::Suspended)), "{waited:?}");
    went_on.expect("its neighbour goes on");
    assert_eq!(notes(&store).await, [3]);
}

/// Statements see each other; nobody else sees them before the commit.
pub async fn a_transaction_sees_its_own_writes_and_others_do_not(keeper: &dyn Keeper) {
    let store = open(keeper);
    let seen = store
        .transact(|tx| async move {
            put(&tx, 1).await?;
            tx.one("SELECT COUNT(*) FROM notes", params![]).await?.get::<u64>(0)
        })
        .await;
    assert_eq!(seen.expect("it counts"), 1);
    let failed = store
        .transact(|tx| async move {
            put(&tx, 2).await?;
            Err::<(), _>(refuse())
        })
        .await;
    assert!(failed.is_err());
    assert_eq!(notes(&store).await, [1]);
}

/// Who was answered finds it at once, on any connection.
pub async fn the_next_read_sees_what_was_answered(keeper: &dyn Keeper) {
    let store = open(keeper);
    for number in 0..50 {
        note(&store, number).await.expect("it is written");
        assert_eq!(notes(&store).await.last(), Some(&number));
    }
}

/// Zero is an answer that callers build on.
pub async fn a_statement_says_how_many_rows_it_changed(keeper: &dyn Keeper) {
    let store = open(keeper);
    let changed = store
        .transact(|tx| async move {
            let mut changed = Vec::new();
            for number in 0..3 {
                put(&tx, number).await?;
            }
            let repeated = "INSERT INTO notes (note) VALUES ($1) ON CONFLICT (note) DO NOTHING";
            changed.push(tx.execute(repeated, params![1_i64]).await?);
            changed
                .push(tx.execute("UPDATE notes SET text = $2 WHERE note = $1", params![1_i64, "a"]).await?);
            changed
                .push(tx.execute("UPDATE notes SET text = $2 WHERE note > $1", params![9_i64, "a"]).await?);
            changed.push(tx.execute("DELETE FROM notes WHERE note < $1", params![2_i64]).await?);
            Ok::<_, StoreError>(changed)
        })
        .await;
    assert_eq!(changed.expect("it is written"), [0, 1, 0, 2]);
}

/// What a row does, those behind it see; and one that fails lets the transaction fail.
pub async fn a_statement_runs_for_many_rows_in_their_order_and_says_what_each_changed(keeper: &dyn Keeper) {
    let store = open(keeper);
    let changed = store
        .transact(|tx| async move {
            let repeated = "INSERT INTO notes (note) VALUES ($1) ON CONFLICT (note) DO NOTHING";
            let none = tx.execute_all(repeated, &[]).await?;
            let rows: Vec<_> = [1_i64, 2, 1, 3, 2].iter().map(|note| params![*note].to_vec()).collect();
            let noted = tx.execute_all(repeated, &rows).await?;
            Ok::<_, StoreError>((none, noted, tx.changed_rows()))
        })
        .await;
    assert_eq!(changed.expect("it is written"), (Vec::new(), vec![1, 1, 0, 1, 0], 3));
    let failed = store
        .transact(|tx| async move {
            let rows: Vec<_> = [4_i64, 1, 5].iter().map(|note| params![*note].to_vec()).collect();
            tx.execute_all("INSERT INTO notes (note) VALUES ($1)", &rows).await
        })
        .await;
    assert!(matches!(failed, Err(StoreError::Statement { .. })), "{failed:?}");
    assert_eq!(notes(&store).await, [1, 2, 3]);
}

/// `$2` is the second parameter, wherever and how often it stands.
pub async fn parameters_go_by_name_whatever_their_order(keeper: &dyn Keeper) {
    let store = open(keeper);
    let read = store
        .read(|tx| async move { tx.one("SELECT $2, $1, $3, $2", params!["one", "two", None::<&str>]).await })
        .await
        .expect("it is read");
    let texts = (0..4).map(|column| read.get::<Option<String>>(column).expect("text or nothing"));
    assert_eq!(
        texts.collect::<Vec<_>>(),
        [Some("two".to_owned()), Some("one".to_owned()), None, Some("two".to_owned())]
    );
}

/// Nothing is written behind a commit's back.
pub async fn a_transaction_that_outlives_its_body_is_closed(keeper: &dyn Keeper) {
    let store = open(keeper);
    let kept = store.transact(|tx| async move { Ok::<_, StoreError>(tx) }).await.expect("it commits");
    assert!(matches!(put(&kept, 1).await, Err(StoreError::Closed)));
    assert_eq!(notes(&store).await, [0_i64; 0]);
}

/// Reads note 0, and writes it one higher.
async fn raise(tx: &Tx) -> Result<(), StoreError> {
    let row = tx.optional("SELECT text FROM notes WHERE note = 0", params![]).await?;
    let count: u64 = row.map_or(Ok(0), |row| row.parse(0))?;
    tx.execute(
        "INSERT INTO notes (note, text) VALUES (0, $1) ON CONFLICT (note) DO UPDATE SET text = excluded.text",
        params![(count + 1).to_string()],
    )
    .await?;
    Ok(())
}

/// What was read under a lock is true until the transaction ends.
pub async fn who_holds_a_lock_reads_what_stays_true(keeper: &dyn Keeper) {
    let store = open(keeper);
    let raises = (0..60).map(|number| {
        store.transact(move |tx| async move {
            tx.lock("note", "0").await?;
            raise(&tx).await?;
            if number % 4 == 0 { Err(refuse()) } else { Ok(()) }
        })
    });
    assert_eq!(join_all(raises).await.iter().filter(|done| done.is_ok()).count(), 45);
    let row = store.read(|tx| async move { tx.one("SELECT text FROM notes", params![]).await }).await;
    assert_eq!(row.expect("it is read").get::<String>(0).expect("it is text"), "45");
}

/// Two that wait for each other are no error of theirs: one of them runs again.
pub async fn transactions_that_met_in_a_deadlock_both_commit(keeper: &dyn Keeper) {
    let store = open(keeper);
    let crossing = (0..4).map(|number| {
        store.transact(move |tx| async move {
            let (first, second) = if number % 2 == 0 { ("a", "b") } else { ("b", "a") };
            tx.lock("note", first).await?;
            put(&tx, number).await?;
            tx.lock("note", second).await?;
            put(&tx, number + 10).await
        })
    });
    for done in join_all(crossing).await {
        done.expect("it commits");
    }
    assert_eq!(notes(&store).await, [0, 1, 2, 3, 10, 11, 12, 13]);
}

/// Waits for all, polling them together so that they meet in the writer's queue.
pub(super) async fn join_all<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        for (one, output) in &mut waiting {
            if output.is_none()
                && let std::task::Poll::Ready(ready) = one.as_mut().poll(context)
            {
                *output = Some(ready);
            }
        }
        if waiting.iter().all(|(_, output)| output.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    waiting.into_iter().filter_map(|(_, output)| output).collect()
}
