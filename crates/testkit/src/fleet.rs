//! A fleet: several processes of the real binary, which share one PostgreSQL and one Kafka and can be killed.

use std::{
    fs::{self, OpenOptions},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tidings_api::Mint;
use tidings_client::Client;
use tidings_config::Role;
use tidings_model::SystemClock;
use tidings_store::conformance::FreshDatabase;

use crate::{
    Person,
    app::{LIFE, SECRET, TOPICS, variable},
};

/// How soon a process must answer: its topics are made or looked at first.
const READY: Duration = Duration::from_mins(1);
/// Pause between two looks at a process.
const LOOK: Duration = Duration::from_millis(20);

/// What the processes of a test share. It goes when it is dropped; its nodes go before it.
#[derive(Debug)]
pub struct Fleet {
    folder: TempDir,
    database: FreshDatabase,
    brokers: String,
    prefix: String,
}

/// One process of a fleet.
#[derive(Debug)]
pub struct Node {
    folder: PathBuf,
    roles: Vec<Role>,
    address: SocketAddr,
    admin: SocketAddr,
    child: Option<Child>,
}

impl Fleet {
    /// An empty database and names of its own on the broker; none, said aloud, where the tests were told of neither.
    #[expect(clippy::print_stdout, reason = "a test says what it passes over")]
    pub fn fresh() -> Option<Self> {
        let (Some(brokers), Some(database)) =
            (variable("TIDINGS_TEST_KAFKA"), FreshDatabase::postgres().unwrap())
        else {
            println!(
                "passed over: this needs PostgreSQL and Kafka; \
                 run it by `scripts/postgres with scripts/kafka with one -- cargo test …`"
            );
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        Some(Self { folder, database, brokers, prefix: format!("t{:016x}", fastrand::u64(..)) })
    }

    /// The brokers' addresses.
    pub fn brokers(&self) -> Vec<String> {
        self.brokers.split(',').map(str::to_owned).collect()
    }

    /// The database's address.
    pub fn database(&self) -> String {
        self.database.url()
    }

    /// The name in Kafka of one of the server's topics.
    pub fn topic(&self, alias: &str) -> String {
        format!("{}-{alias}", self.prefix)
    }

    /// Starts a process with these roles and waits until it is ready.
    pub async fn node(&self, name: &str, roles: &[Role]) -> Node {
        self.node_with(name, roles, "").await
    }

    /// The same with further lines of its settings.
    pub async fn node_with(&self, name: &str, roles: &[Role], settings: &str) -> Node {
        let mut node = self.described(name, roles, settings);
        node.start().await;
        node
    }

    /// A process that was not started yet.
    pub fn described(&self, name: &str, roles: &[Role], settings: &str) -> Node {
        let folder = self.folder.path().join(name);
        fs::create_dir(&folder).unwrap();
        let topic = |alias: &&str| {
            format!("[topics.\"{alias}\"]\nname = \"{}\"\npartitions = 3\n", self.topic(alias))
        };
        let topics = TOPICS.iter().map(topic).collect::<Vec<String>>().concat();
        let (brokers, prefix) = (self.brokers.replace(',', "\", \""), &self.prefix);
        let text =
            format!("{settings}\n[kafka]\nbrokers = [\"{brokers}\"]\ngroup_prefix = \"{prefix}-\"\n{topics}");
        fs::write(folder.join("tidings.toml"), text).unwrap();
        fs::write(folder.join("database"), self.database.url()).unwrap();
        Node { folder, roles: roles.to_vec(), address: free_address(), admin: free_address(), child: None }
    }
}

impl Node {
    /// Starts it, again on the same addresses, and waits until it is ready.
    pub async fn start(&mut self) {
        self.spawn();
        let (client, started) = (Client::new(&self.url(), None).unwrap(), Instant::now());
        loop {
            let answer = client.get("/readyz").await;
            if answer.is_ok_and(|answer| answer.status.is_success()) {
                return;
            }
            assert!(self.lives(), "a process ended at its start: {}", self.said());
            assert!(started.elapsed() < READY, "a process was not ready within {READY:?}: {}", self.said());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Starts it without waiting for it.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "the last life is over");
        let roles: Vec<&str> = self.roles.iter().map(|role| role.as_str()).collect();
        let log = OpenOptions::new().create(true).append(true).open(self.folder.join("log")).unwrap();
        let database = fs::read_to_string(self.folder.join("database")).unwrap();
        let child = Command::new(binary())
            .args(["serve", "--roles", &roles.join(",")])
            .args(["--listen", &self.address.to_string(), "--admin-listen", &self.admin.to_string()])
            .current_dir(&self.folder)
            .env_clear()
            .env("TIDINGS_AUTH__HS256_SECRET", SECRET)
            .env("DATABASE_URL", database)
            // The load is the test.
            .env("TIDINGS_LIMITS__REQUESTS_PER_SECOND", "100000")
            .env("TIDINGS_LIMITS__BROADCASTS_PER_MINUTE", "6000000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap());
    }

    /// Kills it as `kill -9` does, and sees it dead.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// The id of its process; 0 while it is dead.
    pub fn id(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Where people connect.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where people connect, without the scheme.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Somebody who calls this process; the directory says what they may.
    pub fn person(&self, id: &str) -> Person {
        person(&self.url(), id, None)
    }

    /// An administrator who calls this process.
    pub fn admin(&self) -> Person {
        person(&self.url(), "admin", Some(vec!["admin".to_owned()]))
    }

    /// An administrator who calls its admin listener.
    pub fn operator(&self) -> Person {
        person(&format!("http://{}", self.admin), "admin", Some(vec!["admin".to_owned()]))
    }

    /// The last lines that it wrote.
    pub fn said(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
    }

    fn lives(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

fn person(url: &str, id: &str, roles: Option<Vec<String>>) -> Person {
    let token = Mint::hs256(SECRET.as_bytes(), Arc::new(SystemClock)).token(id, roles, None, LIFE).unwrap();
    Person { id: id.to_owned(), client: Client::new(url, Some(&token)).unwrap() }
}

/// An address that nobody has, outside the range of outgoing connections: a client that calls a dead process must
/// never be given that very port for its own end.
fn free_address() -> SocketAddr {
    (0..1000)
        .map(|_| SocketAddr::from(([127, 0, 0, 1], fastrand::u16(12_000..20_000))))
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("a port is free")
}

/// The binary that cargo makes now.
fn binary() -> &'static PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(named) = variable("TIDINGS_FLEET_BINARY") {
            return named.into();
        }
        let mut cargo = Command::new(variable("CARGO").expect("cargo runs the tests"));
        cargo.args(["build", "--quiet", "--package", "tidings-cli", "--message-format", "json"]);
        // What cargo tells a test about itself would make build scripts run again, and all that hangs on them.
        for (name, _) in std::env::vars_os() {
            let name_of = name.to_string_lossy();
            if name_of.starts_with("CARGO_PKG_") || name_of.starts_with("CARGO_MANIFEST_") {
                cargo.env_remove(&name);
            }
        }
        let output = cargo.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let made = output.stdout.split(|byte| *byte == b'\n').find_map(|line| {
            let message: serde_json::Value = serde_json::from_slice(line).ok()?;
            message.get("executable")?.as_str().map(PathBuf::from)
        });
        made.expect("cargo says where the binary is")
    })
}
