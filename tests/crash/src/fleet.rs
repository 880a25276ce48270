//! A fleet under test: nodes of the server, brokers and a PostgreSQL, and a load around all of them.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    judge::{Demands, Judgement},
    load::{Load, Shape},
    parts::{Brokers, Parts},
    proxy::Proxy,
    run::Run,
};

/// How soon a node must answer: its topics are looked at first, and its producer is warmed up.
const READY: Duration = Duration::from_mins(3);
/// How long a killed broker or database stays away.
pub const AWAY: Duration = Duration::from_secs(3);
/// How soon messages must be taken, whatever was broken before.
const TAKEN: Duration = Duration::from_mins(5);
/// How soon what passes through everything must go on, whatever was broken before: groups wait for the session of a node
/// that was killed.
const PASSED: Duration = Duration::from_mins(2);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// How long a node is frozen: longer than a group's session.
const OWNED: Duration = Duration::from_secs(12);
/// What nodes behind the first are called.
const OTHERS: [&str; 2] = ["second", "third"];

/// A fleet that lives through faults.
#[derive(Debug)]
pub struct Fleet {
    // Dropped before the parts: a server that loses them only complains.
    /// The nodes.
    pub run: Run,
    /// What they stand on.
    pub parts: Parts,
    /// Which brokers they are.
    pub brokers: Brokers,
    // One before each broker that sends its clients to one.
    proxies: Vec<Proxy>,
}

impl Fleet {
    /// Starts the parts and so many nodes.
    pub async fn start(name: &'static str, brokers: Brokers, nodes: usize) -> Self {
        Self::start_with(name, brokers, nodes, &[]).await
    }

    /// The same, with settings for the nodes.
    pub async fn start_with(
        name: &'static str,
        brokers: Brokers,
        nodes: usize,
        settings: &[(&'static str, &str)],
    ) -> Self {
        let mut fleet = Self::prepare(name, brokers, nodes, settings).await;
        fleet.start_nodes(None).await;
        fleet
    }

    /// Starts the parts; no node runs yet.
    pub async fn prepare(
        name: &'static str,
        brokers: Brokers,
        nodes: usize,
        settings: &[(&'static str, &str)],
    ) -> Self {
        let parts = Parts::start(name, brokers);
        let settings = [&parts.settings(), settings].concat();
        let others = OTHERS.get(..nodes.saturating_sub(1)).expect("so many nodes have names");
        let mut run = Run::with_others(name, &settings, others);
        for at in 0..nodes {
            run.node(at).patience = READY;
        }
        let mut proxies = Vec::new();
        if parts.behind() != parts.brokers() {
            for (listen, behind) in parts.brokers().split(',').zip(parts.behind().split(',')) {
                proxies.push(Proxy::open(listen, behind).await.expect("the proxy's port is free"));
            }
        }
        Self { run, parts, brokers, proxies }
    }

    /// Starts all nodes.
    pub async fn start_nodes(&mut self, planted: Option<&str>) {
        for at in 0..=self.run.others.len() {
            self.run.start_node(at, planted).await;
        }
    }

    /// Opens a load around all nodes and begins to send.
    pub async fn load(&self, shape: Shape) -> Load {
        let mut load = self.run.load(shape).await;
        load.send();
        load
    }

    /// Waits until so many more messages were taken.
    pub async fn calm(&self, load: &Load, messages: usize) {
        if !load.acknowledges(load.field().acknowledged_count() + messages, TAKEN).await {
            self.run.keep();
            panic!("the fleet did not take {messages} messages within {TAKEN:?}");
        }
    }

    /// Waits until a number grows: `what` is what passes through everything then.
    pub async fn passes(&self, what: &str, number: impl Fn() -> u64) {
        let (before, until) = (number(), Instant::now() + PASSED);
        while number() == before {
            if Instant::now() >= until {
                self.run.keep();
                panic!("no {what} within {PASSED:?}");
            }
            sleep(LOOK).await;
        }
    }

    /// Kills a node in the middle of whatever it does, and starts it again.
    pub async fn kill_node(&mut self, load: &Load, at: usize) {
        load.fault(format!("node {at} is killed"));
        self.run.node(at).kill().expect("the server can be killed");
        self.run.start_node(at, None).await;
    }

    /// Freezes a node for longer than its groups wait for it: others own its partitions when it goes on.
    pub async fn freeze_node(&mut self, load: &Load, at: usize) {
        load.fault(format!("node {at} is frozen"));
        self.run.node(at).freeze().expect("the server can be stopped");
        sleep(OWNED).await;
        self.run.node(at).thaw().expect("the server goes on");
    }

    /// Kills a broker and starts it again after a while.
    pub async fn kill_broker(&self, load: &Load, node: usize) {
        load.fault(format!("broker {node} is killed"));
        self.parts.kill_broker(node);
        sleep(AWAY).await;
        self.parts.restart_broker(node);
    }

    /// Whether requests reach the brokers and their answers are lost. Only behind proxies.
    pub fn answers_are_lost(&self, lost: bool) {
        self.for_each_proxy(if lost { Proxy::lose_answers } else { Proxy::mend });
    }

    /// Loses what the brokers answer to those who write, until answers are no longer lost: records go on being read, so that
    /// there is always one on its way whose writer will not know that it was written.
    pub fn acknowledgements_are_lost(&self) {
        self.for_each_proxy(Proxy::lose_acknowledgements);
    }

    fn for_each_proxy(&self, told: fn(&Proxy)) {
        assert!(!self.proxies.is_empty(), "the brokers send their clients to proxies");
        self.proxies.iter().for_each(told);
    }

    /// Loses the brokers' answers for a while, then cuts the connections that lost some.
    pub async fn lose_answers(&self, load: &Load, length: Duration) {
        load.fault("answers of the brokers are lost");
        self.answers_are_lost(true);
        sleep(length).await;
        self.answers_are_lost(false);
    }

    /// Bytes of the brokers' answers that were lost so far.
    pub fn lost(&self) -> u64 {
        self.proxies.iter().map(Proxy::lost).sum()
    }

    /// Kills the database and starts it again after a while.
    pub async fn kill_database(&self, load: &Load) {
        load.fault("the database is killed");
        self.parts.kill_database();
        sleep(AWAY).await;
        self.parts.restart_database();
    }

    /// Ends the load and judges it.
    pub async fn judge(&self, load: &mut Load, demands: &Demands) -> Judgement {
        self.run.judge(load, demands).await
    }
}
