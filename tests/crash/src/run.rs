//! A run: a folder, servers that live in it through many lives, and a load around them.

use std::{path::PathBuf, time::Duration};

use tempfile::TempDir;

use crate::{
    binary::binary,
    judge::{Demands, Judgement},
    load::{Load, Shape},
    server::Server,
    settings::Settings,
};

/// How long the server may take to acknowledge what the judge demands.
const ENOUGH: Duration = Duration::from_mins(5);
/// How soon a point of a message's way must be passed so often as was chosen.
const REACHED: Duration = Duration::from_mins(2);

/// A run of one suite.
#[derive(Debug)]
pub struct Run {
    /// What it was told.
    pub settings: Settings,
    /// The server under test, or the first node of several.
    pub server: Server,
    /// The other nodes.
    pub others: Vec<Server>,
    /// Chooses the moments of death.
    pub random: fastrand::Rng,
    name: &'static str,
    folder: TempDir,
    slowest_start: Duration,
}

impl Run {
    /// A run whose server does not run yet.
    pub fn new(name: &'static str, settings: &[(&'static str, &str)]) -> Self {
        Self::with_others(name, settings, &[])
    }

    /// A run of a first node and others, by the names of their logs.
    pub fn with_others(
        name: &'static str,
        settings: &[(&'static str, &str)],
        others: &[&'static str],
    ) -> Self {
        let own = Settings::read();
        if let Some(keep) = &own.keep {
            // Not when there is something to keep.
            std::fs::create_dir_all(keep).expect("what is kept has a folder");
        }
        let folder = tempfile::Builder::new().prefix("tidings-crash-").tempdir().expect("a temporary folder");
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let node = |log| Server::new(binary(&own), folder.path(), log, settings.clone());
        let (server, others) = (node("server"), others.iter().map(|log| node(log)).collect());
        say(&format!("{name}: seed {}", own.seed));
        let random = fastrand::Rng::with_seed(own.seed);
        Self { settings: own, server, others, random, name, folder, slowest_start: Duration::ZERO }
    }

    /// Starts the server and waits until it answers.
    pub async fn start(&mut self, planted: Option<&str>) {
        self.start_node(0, planted).await;
    }

    /// Starts a node and waits until it answers.
    pub async fn start_node(&mut self, at: usize, planted: Option<&str>) {
        let node = self.node(at);
        node.start(planted).expect("the server starts");
        match node.ready().await {
            Ok(took) => self.slowest_start = self.slowest_start.max(took),
            Err(cause) => {
                self.keep();
                panic!("{cause}");
            }
        }
    }

    /// One of the nodes; the first is the server.
    pub fn node(&mut self, at: usize) -> &mut Server {
        match at.checked_sub(1) {
            None => &mut self.server,
            Some(at) => self.others.get_mut(at).expect("there is such a node"),
        }
    }

    /// Opens a load around the running server.
    pub async fn load(&self, shape: Shape) -> Load {
        self.load_named(self.name, shape).await
    }

    /// Opens one of several loads.
    pub async fn load_named(&self, name: &str, shape: Shape) -> Load {
        let load = self.try_load_named(name, shape).await;
        load.unwrap_or_else(|cause| {
            self.keep();
            panic!("the load does not open: {cause}")
        })
    }

    /// Opens one of several loads, or says why it does not open.
    pub async fn try_load_named(&self, name: &str, shape: Shape) -> Result<Load, String> {
        let nodes = std::iter::once(&self.server).chain(&self.others);
        let bases: Vec<String> = nodes.map(Server::base).collect();
        Load::open(&bases, self.folder.path(), name, shape, self.settings.seed).await
    }

    /// Kills the server so many times at random moments and starts it again each time.
    pub async fn kill(&mut self, load: &Load, times: u32, planted: Option<&str>) {
        for time in 0..times {
            // Now and then in the middle of its start.
            let started = self.random.u8(0..5) > 0;
            let moment = if started { self.random.u64(200..3000) } else { self.random.u64(1..200) };
            tokio::time::sleep(Duration::from_millis(moment)).await;
            load.fault(format!("kill {time}"));
            self.server.kill().expect("the server can be killed");
            if self.random.u8(0..5) == 0 {
                self.server.start(planted).expect("the server starts");
                tokio::time::sleep(Duration::from_millis(self.random.u64(1..150))).await;
                load.fault(format!("kill {time} at its start"));
                self.server.kill().expect("the server can be killed");
            }
            self.start(planted).await;
        }
    }

    /// Lets the server end itself at a point of a message's way, by chance at one of its first passes, and starts it
    /// again with a planted fault if one is named.
    pub async fn end_at(&mut self, load: &Load, (point, passes): (&str, u64), then: Option<&str>) {
        self.server.kill().expect("the server can be killed");
        let fault = format!("crash:{point}:{}", self.random.u64(1..=passes));
        load.fault(&fault);
        self.server.start(Some(&fault)).expect("the server starts");
        assert!(self.server.ended(REACHED).await, "{fault} was never reached");
        self.start(then).await;
    }

    /// Waits until enough was sent, ends the load and judges it; prints what it adds up to, and where its history is
    /// if it is kept.
    pub async fn judge(&self, load: &mut Load, demands: &Demands) -> Judgement {
        // If it is never enough, the judge says that the run is void.
        load.acknowledges(demands.acknowledged, ENOUGH).await;
        load.settle().await;
        let judgement = load.judge(demands).expect("the history can be read");
        say(&format!("{}: {judgement}; slowest start {} ms", self.name, self.slowest_start.as_millis()));
        self.keep();
        judgement
    }

    /// Where the run keeps everything.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Copies histories and server log to where they stay, if anywhere.
    pub fn keep(&self) {
        let Some(keep) = &self.settings.keep else { return };
        let kept = keep.join(format!("{}-{}", self.name, self.settings.seed));
        std::fs::create_dir_all(&kept).expect("the folder can be made");
        for file in std::fs::read_dir(self.folder.path()).expect("the folder can be read") {
            let file = file.expect("the folder can be read");
            let is_told = file.path().extension().is_some_and(|kind| kind == "jsonl" || kind == "log");
            if is_told {
                std::fs::copy(file.path(), kept.join(file.file_name())).expect("the file can be copied");
            }
        }
        say(&format!("{}: kept in {}", self.name, kept.display()));
    }
}

/// Tells whoever runs the suites; `scripts/crash` shows it.
#[expect(clippy::print_stdout, reason = "a run says what it adds up to, also when it is green")]
pub fn say(what: &str) {
    println!("{what}");
}
