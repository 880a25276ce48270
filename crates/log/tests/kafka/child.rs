//! A member in a process of its own, to be killed.

use std::{
    process::{Child, Command, Stdio},
    sync::Arc,
};

use tidings_log::GroupProtocol;
use tokio_util::sync::CancellationToken;

use crate::{
    reading::{Seen, read},
    world::{connect, shared},
};

const TOPIC: &str = "TIDINGS_TEST_CHILD_TOPIC";
const GROUPS: &str = "TIDINGS_TEST_CHILD_GROUPS";

/// A process that reads as a member of the topic's group; killed when it is dropped.
pub(crate) struct Member(Child);

impl Member {
    pub(crate) fn start(topic: &str, groups: GroupProtocol) -> Self {
        let this = std::env::current_exe().expect("tests are a program");
        let groups = if groups == GroupProtocol::Consumer { "consumer" } else { "classic" };
        let child = Command::new(this)
            .args(["--exact", "child::reads_as_a_member_until_it_is_killed", "--ignored"])
            .envs([(TOPIC, topic), (GROUPS, groups)])
            .stdout(Stdio::null())
            .spawn();
        Self(child.expect("it starts"))
    }

    pub(crate) fn kill(&mut self) {
        self.0.kill().expect("it is killed");
        self.0.wait().expect("it ends");
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process that other tests kill"]
async fn reads_as_a_member_until_it_is_killed() {
    let Some(topic) = tidings_config::variable(TOPIC) else { return };
    let newer = tidings_config::variable(GROUPS).is_some_and(|groups| groups == "consumer");
    let groups = if newer { GroupProtocol::Consumer } else { GroupProtocol::Classic };
    let log = connect(shared().expect("its parent has one"), groups).await;
    read(log, topic, 0, Arc::new(Seen::default()), CancellationToken::new()).await;
}
