//! Brokers by `scripts/kafka`: one of a test's own, to be killed, and the tools of Kafka's own.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::world::unique;

/// A broker of a test's own; forgotten when it is dropped.
pub(crate) struct Broker {
    name: String,
    pub(crate) brokers: Vec<String>,
}

pub(crate) fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/kafka")
}

/// Runs `scripts/kafka` to its end; what it said.
pub(crate) async fn kafka(arguments: Vec<String>) -> String {
    let ran = tokio::task::spawn_blocking(move || Command::new(script()).args(arguments).output());
    let output = ran.await.expect("it is waited for").expect("the script runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

impl Broker {
    /// Starts one node.
    pub(crate) async fn start() -> Self {
        let name = format!("test-{}", unique());
        let said = kafka(vec!["start".to_owned(), name.clone()]).await;
        let brokers = said.lines().find_map(|line| line.strip_prefix("TIDINGS_TEST_KAFKA="));
        let brokers = brokers.expect("it says where it is").split(',').map(str::to_owned).collect();
        Self { name, brokers }
    }

    /// Ends the node without a warning.
    pub(crate) async fn kill(&self) {
        kafka(vec!["kill".to_owned(), self.name.clone(), "1".to_owned()]).await;
    }

    /// Lets its controller forget it: it goes on answering, and says that there are no brokers.
    pub(crate) async fn forget(&self) {
        kafka(vec!["forget".to_owned(), self.name.clone(), "1".to_owned()]).await;
    }

    /// Starts it again with what it kept.
    pub(crate) async fn restart(&self) {
        kafka(vec!["restart".to_owned(), self.name.clone(), "1".to_owned()]).await;
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(Command::new(script()).args(["remove", &self.name]).output());
    }
}
