//! The parts of a fleet that are not ours: brokers and a PostgreSQL of the run's own, which it may kill and freeze.
//!
//! `scripts/kafka` and `scripts/postgres` install and start them; they are gone when the run is over.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

/// Seconds in which a broker must be there: how busy a machine is, is no broker's fault.
const PATIENCE: &str = "300";

/// Which brokers a fleet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brokers {
    /// One.
    One,
    /// Three; each record on all of them, acknowledged by two.
    Three,
    /// One that says it is at another port, where a [`Proxy`](crate::proxy::Proxy) listens.
    Proxied,
    /// Three such.
    ProxiedThree,
}

impl Brokers {
    /// How many there are.
    pub const fn count(self) -> usize {
        match self {
            Self::One | Self::Proxied => 1,
            Self::Three | Self::ProxiedThree => 3,
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Three => "three",
            Self::Proxied => "proxied",
            Self::ProxiedThree => "proxied-three",
        }
    }
}

/// Brokers and a database that live as long as this does.
#[derive(Debug)]
pub struct Parts {
    name: String,
    brokers: String,
    behind: String,
    database: String,
}

impl Parts {
    /// Starts them; `name` tells them from those of other runs.
    pub fn start(name: &str, brokers: Brokers) -> Self {
        let name = format!("crash-{name}-{}", std::process::id());
        // Made before they start, so that what did start is removed if the other one does not.
        let mut parts = Self { name, brokers: String::new(), behind: String::new(), database: String::new() };
        let said = script("kafka", &["start", &parts.name, brokers.kind()]);
        let value = |name: &str| {
            let lines = said.lines().filter_map(|line| line.split_once('='));
            lines.filter(|(known, _)| *known == name).map(|(_, value)| value.to_owned()).next()
        };
        parts.brokers = value("TIDINGS_TEST_KAFKA").expect("the script says where the brokers are");
        parts.behind = value("TIDINGS_TEST_KAFKA_BEHIND").unwrap_or_else(|| parts.brokers.clone());
        let said = script("postgres", &["start", &parts.name]);
        said.trim().clone_into(&mut parts.database);
        parts
    }

    /// What the servers under test must be told.
    pub fn settings(&self) -> [(&'static str, &str); 2] {
        [("KAFKA_BOOTSTRAP_SERVERS", &self.brokers), ("DATABASE_URL", &self.database)]
    }

    /// Where the brokers are, `host:port,…`.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Where the brokers really are, in the same order; other than [`Parts::brokers`] where proxies belong between.
    pub fn behind(&self) -> &str {
        &self.behind
    }

    /// Kills a broker, counted from 1, as `kill -9` does.
    pub fn kill_broker(&self, node: usize) {
        script("kafka", &["kill", &self.name, &node.to_string()]);
    }

    /// Starts a broker again, with all that it had on its disk.
    pub fn restart_broker(&self, node: usize) {
        script("kafka", &["restart", &self.name, &node.to_string()]);
    }

    /// Starts all brokers again, at once: one of three alone is none.
    pub fn restart_brokers(&self) {
        script("kafka", &["start", &self.name]);
    }

    /// Stops a broker in its tracks, as `kill -STOP` does.
    pub fn freeze_broker(&self, node: usize) {
        script("kafka", &["freeze", &self.name, &node.to_string()]);
    }

    /// Lets a frozen broker go on.
    pub fn thaw_broker(&self, node: usize) {
        script("kafka", &["thaw", &self.name, &node.to_string()]);
    }

    /// Ends PostgreSQL as a power cut would.
    pub fn kill_database(&self) {
        script("postgres", &["kill", &self.name]);
    }

    /// Starts PostgreSQL again.
    pub fn restart_database(&self) {
        script("postgres", &["start", &self.name]);
    }

    /// Stops PostgreSQL, all its processes, in its tracks.
    pub fn freeze_database(&self) {
        script("postgres", &["freeze", &self.name]);
    }

    /// Lets a frozen PostgreSQL go on.
    pub fn thaw_database(&self) {
        script("postgres", &["thaw", &self.name]);
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
    command.args(arguments).env("TIDINGS_KAFKA_PATIENCE", PATIENCE).stdin(Stdio::null());
    command
}

/// Runs a script to its end; what it printed.
fn script(part: &str, arguments: &[&str]) -> String {
    let ended = command(part, arguments).stderr(Stdio::inherit()).output().expect("the script runs");
    assert!(ended.status.success(), "scripts/{part} {arguments:?}: {}", ended.status);
    String::from_utf8_lossy(&ended.stdout).into_owned()
}
