//! The sections. A field's comment is its line in the reference.

use std::{collections::BTreeMap, net::SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{Role, section::section};

/// All settings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Which system keeps the log.
    pub log: LogKeeper,
    /// The public listener.
    pub server: ServerConfig,
    /// The operators' listener.
    pub admin: AdminConfig,
    /// Where everything is kept.
    pub database: DatabaseConfig,
    /// The other keeper of the log.
    pub kafka: KafkaConfig,
    /// Who may come in.
    pub auth: AuthConfig,
    /// How much may be asked of one process.
    pub limits: LimitsConfig,
    /// Connections.
    pub gateway: GatewayConfig,
    /// Who is called for what stays pending.
    pub webhook: WebhookConfig,
    /// Who signs proofs.
    pub proof: ProofConfig,
    /// What the server tells about itself.
    pub logs: LogsConfig,
    /// What is for tests alone.
    pub testing: TestingConfig,
    /// Topics that are to differ from their defaults, by the name features know them by.
    pub topics: BTreeMap<String, TopicSettings>,
    /// Consumer groups that are to be called otherwise, by the name features know them by.
    pub groups: BTreeMap<String, GroupSettings>,
    /// Topics that are brought to screens.
    pub routes: Vec<RouteSettings>,
    /// Topics that are written over HTTP.
    pub ingest: Vec<IngestSettings>,
}

/// Which system keeps the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogKeeper {
    /// Kafka where brokers are set, the database's own file elsewhere.
    #[default]
    Auto,
    /// The database's own file.
    Embedded,
    /// Kafka.
    Kafka,
}

impl LogKeeper {
    /// What the key `log` means, for the reference.
    pub(crate) const MEANING: &'static str = "Which system keeps the log: `embedded` (the database's own file), `kafka`, or \
        `auto`, which is Kafka where brokers are set.";
}

/// Where Kafka is, unless it is said.
const LOCAL_BROKER: &str = "localhost:9092";

/// The topic that `kafka.topic` names, by the name features know it by.
const ORDERS_TOPIC: &str = "coffee_orders";

impl Config {
    /// Gives the topic of orders the name that `kafka.topic` says; false where its own section says another.
    pub(crate) fn name_orders(&mut self) -> bool {
        let Some(name) = &self.kafka.topic else { return true };
        let orders = self.topics.entry(ORDERS_TOPIC.to_owned()).or_default();
        orders.name.get_or_insert_with(|| name.clone()) == name
    }

    /// The brokers of the Kafka that keeps the log; none where the database's own file does.
    pub fn kafka_brokers(&self) -> Option<Vec<String>> {
        let set = &self.kafka.brokers;
        match self.log {
            LogKeeper::Embedded => None,
            LogKeeper::Auto if set.is_empty() => None,
            LogKeeper::Kafka if set.is_empty() => Some(vec![LOCAL_BROKER.to_owned()]),
            LogKeeper::Auto | LogKeeper::Kafka => Some(set.clone()),
        }
    }
}

section! {
    /// The public listener.
    "server" => ServerConfig {
        /// Address and port that people and services connect to.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8080));
        /// Which parts of the work this process does: `api`, `relay`, `consumers`, `gateway`. Fewer than all need Kafka and PostgreSQL.
        roles: Vec<Role> = Role::ALL.to_vec();
        /// How long a stopping server finishes what it has in hand, in seconds.
        grace_secs: u64 = 20;
        /// Origins of pages that may call the API and open streams: `https://app.example.com`.
        origins: Vec<String> = Vec::new();
    }
}

section! {
    /// The operators' listener.
    "admin" => AdminConfig {
        /// Address and port of operators' routes and metrics. Keep it off the public network.
        listen: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 8090));
    }
}

section! {
    /// Where everything is kept.
    "database" => DatabaseConfig {
        /// `sqlite://` and a path, or with Kafka a `postgres://` address. `DATABASE_URL` sets it too.
        url: String = "sqlite://data/tidings.db".to_owned();
    }
}

section! {
    /// Kafka, where it keeps the log.
    "kafka" => KafkaConfig {
        /// Where to begin: `host:port` of some brokers. `localhost:9092` where `log = "kafka"` and nothing is set.
        brokers: Vec<String> = Vec::new();
        /// How the brokers' listener speaks: `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
        security_protocol: String = "PLAINTEXT".to_owned();
        /// How to log in: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
        sasl_mechanism: Option<String> = None;
        /// The user to log in as.
        sasl_username: Option<String> = None;
        /// The user's password.
        sasl_password: Option<String> = None;
        /// A file that holds the password.
        sasl_password_file: Option<String> = None;
        /// A PEM file with the authorities that sign the brokers' certificates; the machine's where it is absent.
        ssl_ca_location: Option<String> = None;
        /// Who shares a group's partitions out: `classic`, its members; `consumer`, the broker (Kafka 4.0 and later).
        group_protocol: GroupProtocol = GroupProtocol::Classic;
        /// Stands before the names of all groups, so that several installations share a cluster.
        group_prefix: String = String::new();
        /// Copies of each record of a topic that is made; three, or as many as there are brokers, where it is absent.
        replication: Option<u32> = None;
        /// The topic of orders; `coffee_orders` where it is absent.
        topic: Option<String> = None;
        /// How often a record that somebody waits for (orders, `[[ingest]]`) is sent again when it failed.
        retry_max: u32 = 5;
        /// Who acknowledges a record that somebody waits for: `all` replicas in sync; `local`, the leader alone; `none`. Below `all` an answered record can be lost.
        required_acks: RequiredAcks = RequiredAcks::All;
        /// librdkafka's own settings of the producer: `"linger.ms" = "5"`. What would break a promise is refused.
        producer: BTreeMap<String, String> = BTreeMap::new();
        /// librdkafka's own settings of the consumers. What would break a promise is refused.
        consumer: BTreeMap<String, String> = BTreeMap::new();
    }
}

/// Who shares a group's partitions out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupProtocol {
    /// The members; every broker knows it.
    #[default]
    Classic,
    /// The broker (KIP-848).
    Consumer,
}

/// Who acknowledges a record that somebody waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RequiredAcks {
    /// All replicas that are in sync.
    #[default]
    All,
    /// The leader alone.
    Local,
    /// Nobody.
    None,
}

section! {
    /// Who may come in: tokens are verified with one key or one set of keys. There is no default.
    "auth" => AuthConfig {
        /// The secret of HS256 tokens, at least 32 bytes.
        hs256_secret: Option<String> = None;
        /// A file that holds the secret.
        hs256_secret_file: Option<String> = None;
        /// A PEM file with the public key of RS256, ES256 or Ed25519 tokens.
        public_key_file: Option<String> = None;
        /// Where the set of public keys (JWKS) is fetched from: `https://`, or `http://` on this machine.
        jwks_url: Option<String> = None;
        /// A file with the set of public keys (JWKS).
        jwks_file: Option<String> = None;
        /// The `iss` that a token must have; any where it is absent.
        issuer: Option<String> = None;
        /// The `aud` that a token must have; any where it is absent.
        audience: Option<String> = None;
        /// Whether the claims `roles`, `groups` and `channels` of a token replace the directory's.
        trust_claims: bool = true;
        /// Whether anybody may make an account with `POST /signup`; only where tokens are made with the secret of this server.
        signup: bool = true;
    }
}

section! {
    /// How much may be asked of one process. What is too much is answered 429 with the time to wait.
    "limits" => LimitsConfig {
        /// Requests of one person in a second, and of one address (of IPv6: one network) without a token; twice as many at once.
        requests_per_second: u32 = 50;
        /// Requests of one service key in a second; twice as many at once.
        key_requests_per_second: u32 = 1_000;
        /// Broadcasts of one person in a minute.
        broadcasts_per_minute: u32 = 60;
        /// Broadcasts of one service key in a minute.
        key_broadcasts_per_minute: u32 = 30_000;
        /// Attempts to log in with one user name in a minute, and from one address (of IPv6: one network).
        logins_per_minute: u32 = 10;
        /// Messages of chat that one person may send in a second; twice as many at once.
        messages_per_second: u32 = 20;
    }
}

section! {
    /// Connections.
    "gateway" => GatewayConfig {
        /// Frames that may wait for one slow client before it is disconnected.
        queue_frames: usize = 1000;
        /// Bytes that may wait for one slow client before it is disconnected.
        queue_bytes: usize = 1 << 20;
        /// Pause between two heartbeats on a stream, in seconds.
        heartbeat_secs: u64 = 15;
        /// Open connections of one person.
        connections_per_user: usize = 10;
        /// Pending messages that a new device is given at once; the rest comes by paging.
        catch_up_max: usize = 200;
        /// Pause between two pings of a WebSocket, in seconds.
        ping_secs: u64 = 25;
        /// How long the answer to a ping may take, in seconds.
        pong_secs: u64 = 10;
        /// How long a WebSocket client may take to say `hello`, in seconds.
        first_frame_secs: u64 = 10;
        /// The most bytes of a message from a WebSocket client.
        message_bytes: usize = 64 << 10;
        /// Bytes that may wait for all clients of this process; never more than a quarter of the machine's memory.
        node_queue_bytes: usize = 512 << 20;
        /// Clients a second, for each core, that may go on from what is in memory.
        resumes_per_second: u32 = 2000;
        /// Clients that may read what they missed from the database at once.
        database_resumes: usize = 50;
    }
}

section! {
    /// Who is called for what a person has not confirmed: one signed `POST` for each message and person, as Standard Webhooks says.
    "webhook" => WebhookConfig {
        /// Where to: `https://`, or `http://` to an address of `allowed_networks`. Nobody is called where it is absent.
        url: Option<String> = None;
        /// What calls are signed with: `whsec_` and base64 of 24 to 64 bytes. While it is replaced, the new one and the old one with a space between them.
        secret: Option<String> = None;
        /// A file that holds the secret.
        secret_file: Option<String> = None;
        /// How long after a message was said who has not confirmed it is called for, in minutes.
        after_minutes: u64 = 10;
        /// How long a call may take, in seconds.
        timeout_secs: u64 = 10;
        /// Pauses before a call that failed is tried again, in seconds; behind the last one it is a dead letter.
        retry_secs: Vec<u64> = vec![5, 60, 600, 3600, 21_600];
        /// Networks that are called although they are private, such as `10.1.0.0/16`. Other loopback, private, link-local and reserved addresses are refused.
        allowed_networks: Vec<String> = Vec::new();
    }
}

section! {
    /// Who signs proofs of who got a broadcast.
    "proof" => ProofConfig {
        /// The private key: Ed25519, PKCS #8 in PEM, as `openssl genpkey -algorithm ed25519` makes it. Nothing is signed where it is absent.
        signing_key: Option<String> = None;
        /// A file that holds the key.
        signing_key_file: Option<String> = None;
    }
}

section! {
    /// What is for tests alone.
    "testing" => TestingConfig {
        /// Whether callers may let handlers fail: `simulate_failure` on a broadcast, `POST /testing/faults`.
        faults: bool = false;
    }
}

section! {
    /// What the server tells about itself, on the standard error stream.
    "logs" => LogsConfig {
        /// `error`, `warn`, `info`, `debug` or `trace`, also by module: `warn,tidings_gateway=debug`. `RUST_LOG` sets it too.
        level: String = "info".to_owned();
        /// `json` for machines, `text` for people.
        format: LogFormat = LogFormat::Json;
    }
}

/// How log events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// One short line for people.
    Text,
}

section! {
    /// One topic that is to differ from its defaults: `[topics."broadcast-messages"]`, by the name features know it by.
    "topics.\"<name>\"" => TopicSettings {
        /// Its name in the log; the same where it is absent.
        name: Option<String> = None;
        /// How many partitions it is made with. A topic that is there keeps its own.
        partitions: Option<u32> = None;
        /// How long its records are kept, in seconds.
        retention_secs: Option<u64> = None;
    }
}

section! {
    /// One consumer group that is to have another name: `[groups."broadcast-service-group"]`, by the name features know it by. Under another name it begins anew, with the oldest records.
    "groups.\"<name>\"" => GroupSettings {
        /// Its name; `kafka.group_prefix` stands before it. The same where it is absent.
        name: Option<String> = None;
    }
}

section! {
    /// One topic that is brought to screens; there may be many. `{/customer_id}` stands for what the record's value has at this JSON Pointer; a brace itself is written twice.
    "[routes]" => RouteSettings {
        /// The topic, by the name features know it by; it is made where it is missing. Its values are JSON, or CloudEvents in either mode.
        topic: String = String::new();
        /// Who is to see it: channels such as `"user:{/customer_id}"` or `"role:editor"`. A list in the value names one channel for each of its items.
        to: Vec<String> = Vec::new();
        /// The type of the frames, for example `invoice.paid`.
        r#type: String = String::new();
        /// With a title it is an item of the inbox: `"Invoice {/number} is paid"`.
        title: Option<String> = None;
        /// The text below the title.
        content: Option<String> = None;
        /// The part of the value that clients get; `"/"` is all of it.
        data: Option<String> = None;
        /// Where a click leads.
        action_url: Option<String> = None;
        /// `"30d"` (or s, m, h): pending until it is confirmed, and so long; `"change"`: resumable, never pending; `"signal"`: for who is online, never stored.
        keep: String = "30d".to_owned();
        /// Its consumer group; `route-<topic>-<type>` where it is absent.
        group: Option<String> = None;
    }
}

section! {
    /// One topic that is written over HTTP; there may be many. `POST` of JSON, or of one JSON value a line (`application/x-ndjson`), is answered with the place in the log.
    "[ingest]" => IngestSettings {
        /// Where it is served, below `/api/v1`: `/clicks`.
        path: String = String::new();
        /// The topic, by the name features know it by; it is made where it is missing.
        topic: String = String::new();
        /// The JSON Pointer to what orders the records: those of one key keep their order. They are spread where it is absent.
        key: Option<String> = None;
        /// A file with the JSON Schema that values must match; any JSON where it is absent.
        schema: Option<String> = None;
        /// The scope that a token needs: `clicks:write`.
        scope: String = String::new();
    }
}
