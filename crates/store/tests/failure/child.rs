//! A part of a test in a process of its own: the test binary starts itself again.
//!
//! The child answers on its standard output, one line an answer, written at once.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tidings_store::{Migration, Store, StoreOptions, TopicPartitions, params};

/// The topic that children append to.
pub(crate) const TOPIC: &str = "events";
/// How many partitions it has.
const PARTITIONS: u32 = 4;

const NOTES: Migration = Migration {
    owner: "tests",
    name: "0001_notes",
    sqlite: "CREATE TABLE notes (note BIGINT NOT NULL PRIMARY KEY, text TEXT);",
};

/// What a child is told, in its environment.
#[derive(Debug)]
pub(crate) struct Child {
    /// The database file.
    pub(crate) path: PathBuf,
    /// The fault that it plants, if any.
    pub(crate) fault: Option<String>,
    /// Which of several.
    pub(crate) round: u64,
}

const PATH: &str = "TIDINGS_TEST_CHILD_PATH";
const FAULT: &str = "TIDINGS_TEST_CHILD_FAULT";
const ROUND: &str = "TIDINGS_TEST_CHILD_ROUND";

impl Child {
    /// What this process was told, if it is a child.
    pub(crate) fn here() -> Option<Self> {
        let text = |name| std::env::var_os(name)?.into_string().ok();
        Some(Self {
            path: std::env::var_os(PATH)?.into(),
            fault: text(FAULT),
            round: text(ROUND)?.parse().ok()?,
        })
    }

    /// The command that runs one test of this binary as a child, behind another command's words.
    pub(crate) fn command(&self, before: &[&str], test: &str) -> Command {
        let binary = std::env::current_exe().expect("a test has a binary");
        let mut words = before.iter().map(std::ffi::OsStr::new).chain([binary.as_os_str()]);
        let mut command = Command::new(words.next().expect("there is a binary"));
        command.args(words).args([test, "--exact", "--ignored", "--nocapture", "--test-threads", "1"]);
        command.env(PATH, &self.path).env(ROUND, self.round.to_string());
        if let Some(fault) = &self.fault {
            command.env(FAULT, fault);
        }
        command
    }

    /// Starts the child; its answers can be read from its standard output.
    pub(crate) fn start(&self, test: &str) -> std::process::Child {
        let started = self.command(&[], test).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        started.expect("a child can be started")
    }
}

/// Says that a number was answered, with one write.
pub(crate) fn answer(number: u64) {
    // A parent that is gone reads nothing more.
    drop(std::io::stdout().write_all(format!("answered {number}\n").as_bytes()));
}

/// The number of an answer that arrived whole.
pub(crate) fn acked(line: &str) -> Option<u64> {
    line.split_once("answered ")?.1.parse().ok()
}

/// Opens the store that parent and child share.
pub(crate) fn open(path: &Path) -> Store {
    let mut options = StoreOptions::at(path);
    options.migrations = vec![NOTES];
    Store::open(&options).expect("the store opens")
}

/// Makes the topic, if it is not there, and makes it known.
pub(crate) async fn topic(store: &Store) -> TopicPartitions {
    let made = store.transact(|tx| async move {
        let sql =
            "INSERT INTO log_topics (topic, first_partition, partitions, retention_ms, retention_bytes, created_at)
             VALUES ($1, 1, $2, 0, $3, 0)
             ON CONFLICT (topic) DO NOTHING";
        if tx.execute(sql, params![TOPIC, PARTITIONS, 1_u64 << 30]).await? == 1 {
            for number in 1..=PARTITIONS {
                tx.execute("INSERT INTO log_partitions (partition_number) VALUES ($1)", params![number]).await?;
            }
        }
        Ok::<_, tidings_store::StoreError>(())
    });
    made.await.expect("the topic can be made");
    let topic = TopicPartitions {
        name: TOPIC.to_owned(),
        first_partition: 1,
        partitions: PARTITIONS,
        bytes_limit: 1 << 30,
    };
    store.register_topic(TOPIC, topic.clone());
    topic
}
