//! The server under test, and the people who use it.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use serde_json::Value;
use tempfile::TempDir;
use tidings_api::Mint;
use tidings_client::{Answer, Client, ListenOptions};
use tidings_config::Config;
use tidings_log::{EmbeddedLog, KafkaLog, Log, TopicPartition};
use tidings_model::{Clock, Record, SystemClock};
use tidings_server::{Server, kafka_settings};
use tidings_store::{Store, StoreOptions, conformance::FreshDatabase};

use crate::Device;

/// The secret of every test server.
pub(crate) const SECRET: &str = "a secret of the tests, 32 bytes and more";
/// How long a test's tokens are valid.
pub(crate) const LIFE: Duration = Duration::from_hours(1);

/// A server in a temporary folder, and the means to stop and start it again.
#[derive(Debug)]
pub struct TestApp {
    folder: TempDir,
    config: Config,
    clock: Arc<dyn Clock>,
    pair: Pair,
    server: Option<Server>,
    // The log, where it is not in the database's file.
    other: Option<Arc<dyn Log>>,
    // Goes when the test is over; after the server, which holds connections to it.
    _database: Option<FreshDatabase>,
}

/// Who keeps the database and who the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pair {
    /// One SQLite file holds both.
    Embedded,
    /// A relay takes events from one SQLite file to the log in another: all that Kafka brings, without a broker.
    TwoFiles,
    /// A relay takes events from a SQLite file to Kafka, at these brokers.
    Kafka(Vec<String>),
    /// A relay takes events from PostgreSQL to Kafka, at these brokers.
    Postgres(Vec<String>),
}

impl Pair {
    /// The pair that the environment asks for: by `TIDINGS_TEST_PAIR`.
    fn wanted() -> Self {
        match variable("TIDINGS_TEST_PAIR").as_deref() {
            None | Some("embedded") => Self::Embedded,
            Some("two-files") => Self::TwoFiles,
            Some(pair @ ("kafka" | "postgres")) => {
                let brokers =
                    variable("TIDINGS_TEST_KAFKA").expect("TIDINGS_TEST_KAFKA is set: scripts/kafka with …");
                let brokers = brokers.split(',').map(str::to_owned).collect();
                if pair == "kafka" { Self::Kafka(brokers) } else { Self::Postgres(brokers) }
            }
            Some(other) => {
                panic!("TIDINGS_TEST_PAIR: `{other}` is not embedded, two-files, kafka or postgres")
            }
        }
    }

    /// Makes the settings those of the pair; names are the test's own, so that many tests share a broker. Answers the
    /// database that was made for it.
    fn settle(&self, config: &mut Config) -> Option<FreshDatabase> {
        let (Self::Kafka(brokers) | Self::Postgres(brokers)) = self else { return None };
        config.kafka.brokers.clone_from(brokers);
        config.kafka.group_prefix = format!("t{:016x}-", fastrand::u64(..));
        let own = TOPICS.iter().map(|alias| (*alias).to_owned());
        let routed = config.routes.iter().map(|route| route.topic.clone());
        let ingested = config.ingest.iter().map(|way| way.topic.clone());
        // It is there only where somebody is called.
        let called = config.webhook.url.iter().map(|_url| "tidings-webhook".to_owned());
        for alias in own.chain(routed).chain(ingested).chain(called).collect::<BTreeSet<String>>() {
            let name = format!("t{:016x}-{alias}", fastrand::u64(..));
            let mut topic = config.topics.get(&alias).cloned().unwrap_or_default();
            topic.name.get_or_insert(name);
            if TEN.contains(&alias.as_str()) {
                // A broker that a hundred servers share has enough to do with three.
                topic.partitions.get_or_insert(3);
            }
            config.topics.insert(alias, topic);
        }
        let Self::Postgres(_) = self else { return None };
        let database = FreshDatabase::postgres()
            .unwrap()
            .expect("TIDINGS_TEST_POSTGRES is set: scripts/postgres with …");
        config.database.url = database.url();
        Some(database)
    }
}

/// A variable that says what the tests may use.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).and_then(|value| value.into_string().ok())
}

/// Those with ten partitions.
const TEN: [&str; 3] =
    ["broadcast-messages", "broadcast-user-service-selected", "broadcast-user-service-group"];

/// The topics of a server.
pub(crate) const TOPICS: &[&str] = &[
    "messages",
    "tidings-deliveries",
    "broadcast-messages",
    "broadcast-user-service-selected",
    "broadcast-user-service-group",
    "coffee_orders",
    "order-events",
    "user.auth.signup",
    "user-notifications",
    "post.created",
    "notification.broadcast",
    "chat-messages",
    "message-status-events",
    "notifications",
    "typing-events",
    "tidings-signals",
];

/// Somebody who uses the server.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their user id.
    pub id: String,
    /// Their requests.
    pub client: Client,
}

impl TestApp {
    /// A fresh server.
    pub async fn start() -> Self {
        Self::with(|_config| {}, Arc::new(SystemClock)).await
    }

    /// A fresh server with other settings and another clock.
    pub async fn with(change: impl FnOnce(&mut Config), clock: Arc<dyn Clock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.listen = ([127, 0, 0, 1], 0).into();
        config.admin.listen = ([127, 0, 0, 1], 0).into();
        config.server.grace_secs = 5;
        config.database.url = format!("sqlite://{}", folder.path().join("t.db").display());
        config.auth.hs256_secret = Some(SECRET.to_owned());
        // Who looks again and again until something is so is no crowd; tests of rates set their own.
        config.limits.requests_per_second = 100_000;
        config.limits.broadcasts_per_minute = 6_000_000;
        change(&mut config);
        let pair = Pair::wanted();
        let database = pair.settle(&mut config);
        let mut app = Self { folder, config, clock, pair, server: None, other: None, _database: database };
        app.resume().await;
        app
    }

    /// Who keeps what.
    pub fn pair(&self) -> &Pair {
        &self.pair
    }

    /// Whether a relay fills the log, so that what a transaction announces lands a moment after it.
    pub fn is_relayed(&self) -> bool {
        self.pair != Pair::Embedded
    }

    /// Starts the server again on the same address and folder.
    pub async fn resume(&mut self) {
        // Its file can be opened again only when nobody has it open.
        self.other = None;
        let log = (self.pair == Pair::TwoFiles).then(|| {
            let log = Store::open(&StoreOptions::at(self.folder.path().join("log.db"))).unwrap();
            Arc::new(EmbeddedLog::new(log, Arc::clone(&self.clock))) as Arc<dyn Log>
        });
        let (config, clock) = (self.config.clone(), Arc::clone(&self.clock));
        self.other.clone_from(&log);
        let server = match log {
            Some(log) => Server::start_on(Some(log), config, clock, seed()).await,
            None => Server::start(config, clock, seed()).await,
        }
        .unwrap();
        self.config.server.listen = server.address;
        self.server = Some(server);
    }

    /// Stops the server as an operator would.
    pub async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.drain().await;
        }
    }

    /// The running server.
    pub fn server(&self) -> &Server {
        self.server.as_ref().expect("the server runs")
    }

    /// The log, as another program has it that writes to it.
    pub async fn log(&self) -> Arc<dyn Log> {
        match (kafka_settings(&self.config), &self.other) {
            (Some(settings), _) => Arc::new(KafkaLog::connect(settings).await.unwrap()),
            (None, Some(other)) => Arc::clone(other),
            (None, None) => {
                let store = self.server().store().clone();
                Arc::new(EmbeddedLog::new(store, Arc::clone(&self.clock)))
            }
        }
    }

    /// The name in the log of a topic that features know by another.
    pub fn topic(&self, alias: &str) -> String {
        let settings = self.config.topics.get(alias);
        settings.and_then(|topic| topic.name.clone()).unwrap_or_else(|| alias.to_owned())
    }

    /// What lies in a topic of three partitions that features know by this name.
    pub async fn records(&self, alias: &str) -> Vec<Record> {
        let (log, topic) = (self.log().await, self.topic(alias));
        let mut records = Vec::new();
        for partition in 0..3 {
            let partition = TopicPartition { topic: topic.clone(), partition };
            records.extend(log.records(partition, 0, 1000).await.unwrap());
        }
        records
    }

    /// Where the server keeps everything.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The base address.
    pub fn url(&self) -> String {
        format!("http://{}", self.config.server.listen)
    }

    /// Somebody without roles in their token: the directory decides.
    pub fn person(&self, id: &str) -> Person {
        self.signed_in(id, None, None)
    }

    /// An administrator.
    pub fn admin(&self) -> Person {
        self.signed_in("admin", Some(vec!["admin".to_owned()]), None)
    }

    /// Somebody with a token of these claims.
    pub fn signed_in(&self, id: &str, roles: Option<Vec<String>>, scope: Option<String>) -> Person {
        let mint = Mint::hs256(SECRET.as_bytes(), Arc::clone(&self.clock));
        let token = mint.token(id, roles, scope, LIFE).unwrap();
        Person { id: id.to_owned(), client: Client::new(&self.url(), Some(&token)).unwrap() }
    }

    /// An administrator who speaks to the operators' listener.
    pub fn operator(&self) -> Person {
        let token = self.mint().token("admin", Some(vec!["admin".to_owned()]), None, LIFE).unwrap();
        let admin = format!("http://{}", self.server().admin_address);
        Person { id: "admin".to_owned(), client: Client::new(&admin, Some(&token)).unwrap() }
    }

    /// The mint of the server's tokens.
    pub fn mint(&self) -> Mint {
        Mint::hs256(SECRET.as_bytes(), Arc::clone(&self.clock))
    }
}

fn seed() -> u64 {
    // Ids must differ between the starts of one folder; tests do not depend on which they are.
    u64::from(std::process::id()) << 32 | u64::try_from(SystemClock.now().millis() & 0xffff_ffff).unwrap_or(0)
}

impl Person {
    /// A POST that must succeed.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.client.post(&format!("/api/v1{path}"), &body).await.unwrap();
        assert!(answer.status.is_success(), "{path}: {} {:?}", answer.status, answer);
        answer.json().unwrap_or(Value::Null)
    }

    /// A POST, whatever comes of it.
    pub async fn try_post(&self, path: &str, body: Value) -> Answer {
        self.client.post(&format!("/api/v1{path}"), &body).await.unwrap()
    }

    /// A GET that must succeed.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(&format!("/api/v1{path}")).await.unwrap();
        assert!(answer.status.is_success(), "{path}: {} {:?}", answer.status, answer);
        answer.json().unwrap()
    }

    /// Broadcasts something; answers the broadcast's id.
    pub async fn broadcast(&self, content: &str, target: Value) -> String {
        let body = serde_json::json!({ "content": content, "target": target });
        self.post("/broadcasts", body).await["id"].as_str().unwrap().to_owned()
    }

    /// Opens a stream on a device, without a cursor.
    pub async fn device(&self, session: &str) -> Device {
        self.device_after(session, None).await
    }

    /// Opens a stream on a device, after a cursor.
    pub async fn device_after(&self, session: &str, cursor: Option<&str>) -> Device {
        let options = ListenOptions {
            session: Some(session.parse().unwrap()),
            cursor: cursor.map(str::to_owned),
            ..ListenOptions::default()
        };
        Device::open(&self.client, options).await
    }

    /// Confirms a cursor of a device.
    pub async fn confirm(&self, session: &str, cursor: &str) {
        self.post("/receipts", serde_json::json!({ "cursor": cursor, "session": session })).await;
    }
}
