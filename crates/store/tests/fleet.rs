//! What only a shared database has: several processes on it, and a server that goes away by itself.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tidings_store::{
    Migration, Store, StoreError, StoreHealth, StoreOptions, Tx,
    conformance::{FreshDatabase, NO_POSTGRES, NOTES},
    params,
};

/// How long anything here may take.
const LIMIT: Duration = Duration::from_mins(1);

fn open(url: &str, migrations: &[Migration]) -> Result<Store, StoreError> {
    let mut options = StoreOptions::postgres(url);
    options.migrations = migrations.to_vec();
    Store::open(&options)
}

/// A database of the tests' server; without one the test says so and is passed over.
#[expect(clippy::print_stdout, reason = "whoever runs the tests is told what was passed over")]
fn database() -> Option<FreshDatabase> {
    let database = FreshDatabase::postgres().expect("the server of the tests answers");
    if database.is_none() {
        println!("{NO_POSTGRES}");
    }
    database
}

async fn note(store: &Store, note: u64) -> Result<(), StoreError> {
    store
        .transact(move |tx| async move {
            tx.execute("INSERT INTO notes (note, text) VALUES ($1, 'a')", params![note]).await?;
            tx.execute("UPDATE notes SET text = 'b' WHERE note = $1", params![note]).await?;
            Ok(())
        })
        .await
}

async fn notes(store: &Store) -> Result<Vec<u64>, StoreError> {
    let rows = store
        .read(|tx| async move {
            tx.query("SELECT note FROM notes WHERE text = 'b' ORDER BY note", params![]).await
        })
        .await?;
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn servers_that_start_at_once_bring_the_schema_up_to_date_once() {
    const SECOND: Migration = Migration {
        owner: "conformance",
        name: "0002_more",
        sqlite: "INSERT INTO notes (note, text) SELECT COUNT(*), 'b' FROM notes;",
    };
    let Some(database) = database() else { return };
    let url = database.url();
    let servers: Vec<_> = (0..4)
        .map(|_| {
            let url = url.clone();
            std::thread::spawn(move || open(&url, &[NOTES, SECOND]))
        })
        .collect();
    let stores: Vec<Store> =
        servers.into_iter().map(|server| server.join().expect("it ends").expect("it opens")).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    assert_eq!(runtime.block_on(notes(&stores[0])).unwrap(), [0]);
}

#[tokio::test]
async fn a_commit_wakes_those_who_wait_in_another_process() {
    let Some(database) = database() else { return };
    let (here, there) = (open(&database.url(), &[NOTES]).unwrap(), open(&database.url(), &[]));
    // The second does not know the table, and is refused; with it, it opens.
    assert!(there.is_err());
    let there = open(&database.url(), &[NOTES]).unwrap();
    let mut wakes = there.wakes("notes");
    for number in 0..20 {
        let woken = tokio::time::timeout(LIMIT, async {
            while notes(&there).await.unwrap().len() <= number {
                wakes.changed().await.unwrap();
            }
        });
        let waking = here.transact(move |tx| async move {
            tx.execute("INSERT INTO notes (note, text) VALUES ($1, 'b')", params![number]).await?;
            tx.wake("notes");
            Ok::<_, StoreError>(())
        });
        let (woken, done) = tokio::join!(woken, waking);
        done.unwrap();
        woken.expect("what was committed elsewhere wakes");
    }
}

#[tokio::test]
async fn text_is_ordered_by_its_bytes_whatever_the_database_was_made_with() {
    let Some(database) = database() else { return };
    let store = open(&database.url(), &[NOTES]).unwrap();
    let ordered = store
        .transact(|tx| async move {
            for (note, text) in [(1_u64, "b"), (2, "A"), (3, "a"), (4, "B")] {
                tx.execute("INSERT INTO notes (note, text) VALUES ($1, $2)", params![note, text]).await?;
            }
            tx.query("SELECT text FROM notes ORDER BY text", params![]).await
        })
        .await
        .unwrap();
    let texts: Vec<String> = ordered.iter().map(|row| row.get(0).unwrap()).collect();
    assert_eq!(texts, ["A", "B", "a", "b"]);
}

#[tokio::test]
async fn who_asks_for_it_finds_a_row_by_its_index_though_the_table_was_small_when_it_was_planned() {
    async fn plan(tx: &Tx) -> Result<String, StoreError> {
        let row = tx.one("EXPLAIN SELECT holder FROM outbox_shards WHERE shard = 1", params![]).await?;
        row.get(0)
    }
    let Some(database) = database() else { return };
    let store = open(&database.url(), &[]).expect("it opens");
    for _transaction in 0..2 {
        let plans = store.transact(|tx| async move {
            // From now on the planner knows that there are four rows.
            tx.execute("ANALYZE outbox_shards", params![]).await?;
            let before = plan(&tx).await?;
            tx.by_index().await?;
            Ok::<_, StoreError>((before, plan(&tx).await?))
        });
        let (before, after) = plans.await.expect("it is planned");
        assert!(before.starts_with("Seq Scan"), "nobody asked yet, or it outlived its transaction: {before}");
        assert!(after.starts_with("Index Scan"), "{after}");
    }
}

#[tokio::test]
async fn tls_is_used_and_the_server_believed_as_far_as_the_address_says() {
    let Some(database) = database() else { return };
    let certificate = std::env::var_os("TIDINGS_TEST_POSTGRES_CA").and_then(|path| path.into_string().ok());
    let Some(certificate) = certificate else {
        println!("passed over: the server of the tests has no certificate");
        return;
    };
    let is_encrypted = |said: String| {
        let store = open(&format!("{}{said}", database.url()), &[NOTES])?;
        Ok::<_, StoreError>(async move {
            let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
            store.read(move |tx| async move { tx.one(sql, params![]).await?.get::<bool>(0) }).await.unwrap()
        })
    };
    for (said, encrypted) in [
        (String::new(), true),
        ("?sslmode=disable".to_owned(), false),
        ("?sslmode=require".to_owned(), true),
        (format!("?sslmode=require&sslrootcert={certificate}"), true),
        (format!("?sslmode=verify-full&sslrootcert={certificate}"), true),
    ] {
        assert_eq!(is_encrypted(said.clone()).unwrap().await, encrypted, "{said}");
    }
    // Its certificate comes from nobody whom browsers trust.
    let refused =
        is_encrypted("?sslmode=verify-full".to_owned()).err().expect("it is not believed").to_string();
    assert!(refused.contains("certificate"), "{refused}");
}

/// A server of its own, to be killed or frozen.
struct Server {
    name: String,
    url: String,
}

impl Server {
    fn script() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/postgres")
    }

    fn run(action: &str, name: &str) -> String {
        let ran = Command::new(Self::script()).args([action, name]).output().expect("the script is there");
        assert!(ran.status.success(), "{action}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8_lossy(&ran.stdout).trim().to_owned()
    }

    fn start(name: &str) -> Self {
        let name = format!("{name}-{}", std::process::id());
        Self { url: Self::run("start", &name), name }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What is left of a test that failed is no reason to fail another.
        drop(Command::new(Self::script()).args(["remove", &self.name]).output());
    }
}

/// What became of the transactions of one caller.
#[derive(Debug, Default)]
struct Outcome {
    answered: Vec<u64>,
    refused: Vec<u64>,
    unknown: Vec<u64>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_loses_nothing_that_was_answered_and_the_store_recovers_alone() {
    const CALLERS: u64 = 20;
    const EACH: u64 = 50;
    if database().is_none() {
        return;
    }
    let server = Server::start("killed");
    let store = open(&server.url, &[NOTES]).unwrap();
    let done = AtomicU64::new(0);
    let caller = |first: u64| {
        let (store, done) = (store.clone(), &done);
        async move {
            let mut outcome = Outcome::default();
            for number in first..first + EACH {
                match note(&store, number).await {
                    Ok(()) => outcome.answered.push(number),
                    Err(error) => {
                        assert!(error.is_unavailable(), "{error:?}");
                        let unknown = matches!(error, StoreError::Unknown { .. });
                        if unknown { &mut outcome.unknown } else { &mut outcome.refused }.push(number);
                        // Whoever was refused comes back once the store says that it is well.
                        store.health().wait_for(|health| *health == StoreHealth::Well).await.unwrap();
                    }
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
            outcome
        }
    };
    let killing = async {
        while done.load(Ordering::Relaxed) < CALLERS * EACH / 4 {
            tokio::task::yield_now().await;
        }
        let name = server.name.clone();
        let killed = tokio::task::spawn_blocking(move || Server::run("kill", &name));
        killed.await.unwrap();
        let mut health = store.health();
        health.wait_for(|health| *health != StoreHealth::Well).await.unwrap();
        let name = server.name.clone();
        let address = tokio::task::spawn_blocking(move || Server::run("start", &name)).await.unwrap();
        assert_eq!(address, server.url, "it keeps its address");
    };
    let callers = futures_util::future::join_all((0..CALLERS).map(|number| caller(number * EACH)));
    let (outcomes, ()) = tokio::time::timeout(LIMIT * 2, async { tokio::join!(callers, killing) })
        .await
        .expect("all callers were answered");
    let kept = notes(&store).await.unwrap();
    let all = |what: fn(&Outcome) -> &Vec<u64>| outcomes.iter().flat_map(what).copied().collect::<Vec<_>>();
    let (answered, refused, unknown) =
        (all(|outcome| &outcome.answered), all(|outcome| &outcome.refused), all(|outcome| &outcome.unknown));
    println!("{} answered, {} refused, {} unknown", answered.len(), refused.len(), unknown.len());
    assert!(!refused.is_empty() || !unknown.is_empty(), "the kill came too late to be noticed");
    assert!(answered.iter().all(|number| kept.binary_search(number).is_ok()), "an answered one is lost");
    assert!(refused.iter().all(|number| kept.binary_search(number).is_err()), "a refused one was kept");
    assert!(answered.len() as u64 > CALLERS * EACH / 2, "{} went on", answered.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_freezes_leaves_no_caller_waiting_and_what_it_was_refused_is_not_kept() {
    /// What callers of a server that is away are promised.
    const ANSWER: Duration = Duration::from_secs(10);
    if database().is_none() {
        return;
    }
    let server = Server::start("frozen");
    let store = open(&server.url, &[NOTES]).unwrap();
    note(&store, 0).await.unwrap();
    Server::run("freeze", &server.name);
    let (mut refused, mut unknown) = (Vec::new(), Vec::new());
    // More than there are connections; then those who come when it is known.
    for round in 0..2 {
        let asking = (1..=40).map(|number| {
            let (store, number) = (store.clone(), round * 100 + number);
            async move { (number, tokio::time::timeout(ANSWER, note(&store, number)).await) }
        });
        for (number, answer) in futures_util::future::join_all(asking).await {
            let error = answer.expect("it is answered in time").expect_err("a frozen server keeps nothing");
            assert!(error.is_unavailable(), "{error:?}");
            let is_unknown = matches!(error, StoreError::Unknown { .. });
            if is_unknown { &mut unknown } else { &mut refused }.push(number);
        }
        assert!(tokio::time::timeout(ANSWER, notes(&store)).await.expect("it is answered in time").is_err());
    }
    assert!(!unknown.is_empty() && !refused.is_empty(), "{unknown:?}, {refused:?}");
    Server::run("thaw", &server.name);
    tokio::time::timeout(LIMIT, store.health().wait_for(|health| *health == StoreHealth::Well))
        .await
        .expect("it recovers alone")
        .unwrap();
    note(&store, 1000).await.unwrap();
    let kept = notes(&store).await.unwrap();
    assert!(kept.contains(&0) && kept.contains(&1000), "{kept:?}");
    assert!(refused.iter().all(|number| kept.binary_search(number).is_err()), "a refused one was kept");
}
