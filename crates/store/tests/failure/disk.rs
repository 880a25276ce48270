//! A disk that is full, or that fails to sync: errors instead of promises, reads go on, and writes work again
//! once the disk does, without a restart.
//!
//! The disk fails in processes of their own: one has a small file system mounted that nobody else sees, the
//! others run under `strace`, which makes `fsync` and `fdatasync` fail.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    time::Duration,
};

use crate::child::{self, Child, acked, answer};
use tidings_store::{Store, StoreError, StoreHealth, params};

/// How long a child may take.
const LIMIT: Duration = Duration::from_mins(1);

/// Writes a note with a text of so many bytes.
async fn write(store: &Store, number: u64, bytes: usize) -> Result<(), StoreError> {
    let text = "x".repeat(bytes);
    store
        .transact(move |tx| async move {
            tx.execute("INSERT INTO notes (note, text) VALUES ($1, $2)", params![number, text]).await?;
            Ok(())
        })
        .await
}

async fn notes(store: &Store) -> Vec<u64> {
    let rows =
        store.read(|tx| async move { tx.query("SELECT note FROM notes ORDER BY note", params![]).await });
    rows.await.unwrap().iter().map(|row| row.get(0).unwrap()).collect()
}

/// Runs the child's part of a test to its end.
fn run(part: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(async { tokio::time::timeout(LIMIT, part).await })
        .expect("the child ends in time");
}

/// Why a fault cannot be made here, if it cannot.
fn missing(tool: &str) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("declared: only root may make a disk fail".to_owned());
    }
    let found = std::process::Command::new(tool).arg("-V").output();
    found.is_err().then(|| format!("declared: {tool} is not installed; `scripts/setup` installs it"))
}

#[test]
fn a_full_disk_gives_errors_and_writes_go_on_once_there_is_space() {
    if let Some(reason) = missing("unshare") {
        println!("{reason}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let part = Child { path: folder.path().join("tidings.db"), fault: None, round: 0 };
    let mount = format!("mount -t tmpfs -o size=24m none {} && exec \"$@\"", folder.path().display());
    let before = ["unshare", "--mount", "sh", "-c", &mount, "sh"];
    let ended = part.command(&before, "disk::lives_on_a_small_disk").output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success() && said.contains("answered 0"),
        "{said}{}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

#[test]
#[ignore = "a part of the test above, in a process of its own"]
fn lives_on_a_small_disk() {
    let Some(part) = Child::here() else { return };
    run(async {
        // More than the write-ahead log may hold, so that a checkpoint does not fill the disk again.
        let filler = part.path.with_file_name("filler");
        std::fs::write(&filler, vec![0; 10 << 20]).unwrap();
        let store = child::open(&part.path);
        let mut answered = Vec::new();
        let full = loop {
            let number = answered.len() as u64;
            match write(&store, number, 64 << 10).await {
                Ok(()) => answered.push(number),
                Err(error) => break error,
            }
            assert!(answered.len() < 400, "the disk is never full");
        };
        assert!(answered.len() > 10, "{answered:?}");
        assert!(full.is_unavailable(), "{full:?}");
        let health = store.health();
        assert!(matches!(&*health.borrow(), StoreHealth::Failing(why) if !why.is_empty()), "{health:?}");
        // Reads go on, and see what was answered.
        assert_eq!(notes(&store).await, answered);
        assert!(write(&store, 1000, 64 << 10).await.is_err());

        std::fs::remove_file(&filler).unwrap();
        // The store finds out by itself, also when nobody writes.
        let mut health = store.health();
        health.wait_for(|health| *health == StoreHealth::Well).await.unwrap();
        for number in 2000..2010 {
            write(&store, number, 64 << 10).await.unwrap();
            answered.push(number);
        }
        assert_eq!(notes(&store).await, answered);
        drop((store, health));
        assert_eq!(notes(&child::open(&part.path)).await, answered, "nothing else is there after reopening");
        answer(0);
    });
}

/// Runs a child under `strace` with these extra words; answers the lines of the trace.
fn traced(path: &Path, words: &[&str], test: &str) -> Vec<String> {
    let trace = path.with_extension("trace");
    let trace_name = trace.display().to_string();
    let part = Child { path: path.to_owned(), fault: None, round: 0 };
    let before = ["strace", "-f", "-o", &trace_name, "-e", "trace=fsync,fdatasync,openat,write"];
    let ended = part.command(&[&before, words].concat(), test).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    BufReader::new(std::fs::File::open(trace).unwrap()).lines().map_while(Result::ok).collect()
}

/// What of a trace these tests are about, in the order in which it ended.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    // The write-ahead log, which is what a commit syncs.
    Opened,
    Synced,
    SyncFailed,
    Answered(u64),
}

fn steps(trace: &[String]) -> Vec<Step> {
    let step = |line: &String| {
        let is_sync = line.contains("fsync") || line.contains("fdatasync");
        if is_sync && line.contains("= 0") {
            return Some(Step::Synced);
        }
        if is_sync && line.contains("EIO") {
            return Some(Step::SyncFailed);
        }
        if line.contains("openat") && line.contains("tidings.db-wal\"") {
            return Some(Step::Opened);
        }
        let (_, text) = line.split_once("write(1, \"")?;
        acked(text.split('\\').next()?).map(Step::Answered)
    };
    trace.iter().filter_map(step).collect()
}

#[test]
fn the_sync_returns_before_the_answer_leaves() {
    if let Some(reason) = missing("strace") {
        println!("{reason}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trace = traced(&folder.path().join("tidings.db"), &[], "disk::answers_one_after_the_other");
    let steps = steps(&trace);
    let mut synced = false;
    let mut answered = 0;
    for step in &steps {
        match step {
            Step::Synced => synced = true,
            Step::Answered(number) => {
                assert!(synced, "{number} was answered before it was on the disk: {steps:?}");
                synced = false;
                answered += 1;
            }
            Step::Opened | Step::SyncFailed => {}
        }
    }
    assert_eq!(answered, 20);
}

#[test]
#[ignore = "a part of the test above, in a process of its own"]
fn answers_one_after_the_other() {
    let Some(part) = Child::here() else { return };
    run(async {
        let store = child::open(&part.path);
        for number in 0..20 {
            write(&store, number, 10).await.unwrap();
            answer(number);
        }
    });
}

#[test]
fn after_a_sync_that_failed_nothing_is_answered_until_the_file_was_opened_again() {
    if let Some(reason) = missing("strace") {
        println!("{reason}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidings.db");
    // From the 30th on three syncs fail: the one of a commit and those of the tries after it.
    let inject = ["-e", "inject=fsync,fdatasync:error=EIO:when=30..32"];
    let steps = steps(&traced(&path, &inject, "disk::answers_what_it_can"));
    let failed = steps.iter().filter(|step| **step == Step::SyncFailed).count();
    assert_eq!(failed, 3, "{steps:?}");
    let mut doubtful = false;
    for step in &steps {
        match step {
            Step::SyncFailed => doubtful = true,
            Step::Opened => doubtful = false,
            Step::Answered(number) => assert!(!doubtful, "{number} was answered in doubt: {steps:?}"),
            Step::Synced => {}
        }
    }
    let answered: Vec<u64> = steps
        .iter()
        .filter_map(|step| if let Step::Answered(number) = step { Some(*number) } else { None })
        .collect();
    assert!(answered.contains(&99), "it works again: {answered:?}");
    let kept = tokio::runtime::Runtime::new().unwrap().block_on(async { notes(&child::open(&path)).await });
    assert_eq!(kept, answered, "what was answered is there, and what was not answered is not");
}

#[test]
#[ignore = "a part of the test above, in a process of its own"]
fn answers_what_it_can() {
    let Some(part) = Child::here() else { return };
    run(async {
        let store = child::open(&part.path);
        let mut failed = 0;
        for number in 0..100 {
            match write(&store, number, 10).await {
                Ok(()) => answer(number),
                Err(error) => {
                    failed += 1;
                    assert!(error.is_unavailable(), "{error:?}");
                    let health = store.health();
                    let why = health.borrow().clone();
                    assert!(matches!(&why, StoreHealth::Failing(why) if why.contains("I/O")), "{why:?}");
                    assert!(!notes(&store).await.is_empty(), "reads go on");
                }
            }
        }
        assert!((1..=3).contains(&failed), "{failed} failed");
        assert_eq!(*store.health().borrow(), StoreHealth::Well);
    });
}

#[test]
fn a_disk_that_never_syncs_again_answers_nothing_more() {
    if let Some(reason) = missing("strace") {
        println!("{reason}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidings.db");
    let inject = ["-e", "inject=fsync,fdatasync:error=EIO:when=30+"];
    let steps = steps(&traced(&path, &inject, "disk::answers_until_the_disk_fails"));
    let first = steps.iter().position(|step| *step == Step::SyncFailed).expect("the disk failed");
    assert!(!steps[first..].iter().any(|step| matches!(step, Step::Answered(_))), "{steps:?}");
    let answered = steps[..first].iter().filter(|step| matches!(step, Step::Answered(_))).count();
    let kept = tokio::runtime::Runtime::new().unwrap().block_on(async { notes(&child::open(&path)).await });
    assert!(kept.len() >= answered, "{} of {answered}", kept.len());
}

#[test]
#[ignore = "a part of the test above, in a process of its own"]
fn answers_until_the_disk_fails() {
    let Some(part) = Child::here() else { return };
    run(async {
        let store = child::open(&part.path);
        let mut answered = 0;
        let mut failed = 0;
        for number in 0..60 {
            if write(&store, number, 10).await.is_ok() {
                assert_eq!(failed, 0);
                answered += 1;
                answer(number);
            } else {
                failed += 1;
            }
        }
        assert!(answered > 10 && failed > 10, "{answered} answered, {failed} failed");
        assert!(matches!(&*store.health().borrow(), StoreHealth::Failing(_)));
        assert_eq!(notes(&store).await.len(), answered, "reads go on");
    });
}
