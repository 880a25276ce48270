//! The parts of a fleet that are not ours: a broker and a PostgreSQL of the run's own, which it may kill.
//!
//! `scripts/kafka` and `scripts/postgres` install and start them; they are gone when the run is over.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

/// A broker and a database that live as long as this does.
#[derive(Debug)]
pub struct Parts {
    name: String,
    brokers: String,
    database: String,
}

impl Parts {
    /// Starts both; `name` tells them from those of other runs.
    pub fn start(name: &str) -> Self {
        // Made before they start, so that what did start is removed if the other one does not.
        let mut parts = Self { name: name.to_owned(), brokers: String::new(), database: String::new() };
        let said = script("kafka", &["start", name, "one"]);
        let brokers = said.lines().find_map(|line| line.strip_prefix("TIDINGS_TEST_KAFKA="));
        brokers.expect("the script says where the broker is").clone_into(&mut parts.brokers);
        let said = script("postgres", &["start", name]);
        said.trim().clone_into(&mut parts.database);
        parts
    }

    /// What the server under test must be told.
    pub fn settings(&self) -> [(&'static str, &str); 2] {
        [("KAFKA_BOOTSTRAP_SERVERS", &self.brokers), ("DATABASE_URL", &self.database)]
    }

    /// Kills the broker as `kill -9` does.
    pub fn kill_broker(&self) {
        script("kafka", &["kill", &self.name, "1"]);
    }

    /// Starts the broker again, with all that it had on its disk.
    pub fn restart_broker(&self) {
        script("kafka", &["restart", &self.name, "1"]);
    }

    /// Ends PostgreSQL as a power cut would.
    pub fn kill_database(&self) {
        script("postgres", &["kill", &self.name]);
    }

    /// Starts PostgreSQL again.
    pub fn restart_database(&self) {
        script("postgres", &["start", &self.name]);
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        for part in ["kafka", "postgres"] {
            // What cannot be removed is a broker too many on this machine, and no reason to fail.
            drop(command(part, &["remove", &self.name]).status());
        }
    }
}

fn command(part: &str, arguments: &[&str]) -> Command {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts").join(part);
    let mut command = Command::new(path);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a script to its end; what it printed.
fn script(part: &str, arguments: &[&str]) -> String {
    let ended = command(part, arguments).stderr(Stdio::inherit()).output().expect("the script runs");
    assert!(ended.status.success(), "scripts/{part} {arguments:?}: {}", ended.status);
    String::from_utf8_lossy(&ended.stdout).into_owned()
}
