//! The sections. A field's comment is its line in the reference.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// All settings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The public listener.
    pub server: ServerConfig,
    /// The operators' listener.
    pub admin: AdminConfig,
    /// Where everything is kept.
    pub database: DatabaseConfig,
    /// Who may come in.
    pub auth: AuthConfig,
    /// Connections.
    pub gateway: GatewayConfig,
}

/// The public listener.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// Address and port that people and services connect to.
    pub listen: SocketAddr,
    /// How long a stopping server finishes what it has in hand, in seconds.
    pub grace_secs: u64,
    /// Origins of pages that may call the API and open streams: `https://app.example.com`.
    pub origins: Vec<String>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8080)), grace_secs: 20, origins: Vec::new() }
    }
}

/// The operators' listener.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Address and port of operators' routes and metrics.
    pub listen: SocketAddr,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8090)) }
    }
}

/// Where everything is kept.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `sqlite://` and a path. `DATABASE_URL` sets it too.
    pub url: String,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self { url: "sqlite://data/tidings.db".to_owned() }
    }
}

/// Who may come in.
#[derive(Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// The secret of HS256 tokens, at least 32 bytes. There is no default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hs256_secret: Option<String>,
    /// A file that holds the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hs256_secret_file: Option<String>,
    /// The `iss` that a token must have; any where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The `aud` that a token must have; any where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
}

impl std::fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthConfig")
            .field("hs256_secret", &self.hs256_secret.as_ref().map(|_| "…"))
            .field("hs256_secret_file", &self.hs256_secret_file)
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish()
    }
}

/// Connections.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// Frames that may wait for one slow client before it is disconnected.
    pub queue_frames: usize,
    /// Bytes that may wait for one slow client before it is disconnected.
    pub queue_bytes: usize,
    /// Pause between two heartbeats on a stream, in seconds.
    pub heartbeat_secs: u64,
    /// Open connections of one person.
    pub connections_per_user: usize,
    /// Pending messages that a new device is given at once; the rest comes by paging.
    pub catch_up_max: usize,
    /// Pause between two pings of a WebSocket, in seconds.
    pub ping_secs: u64,
    /// How long the answer to a ping may take, in seconds.
    pub pong_secs: u64,
    /// How long a WebSocket client may take to say `hello`, in seconds.
    pub first_frame_secs: u64,
    /// The most bytes of a message from a WebSocket client.
    pub message_bytes: usize,
    /// Bytes that may wait for all clients of this process; never more than a quarter of the machine's memory.
    pub node_queue_bytes: usize,
    /// Clients a second, for each core, that may go on from what is in memory.
    pub resumes_per_second: u32,
    /// Clients that may read what they missed from the database at once.
    pub database_resumes: usize,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            queue_frames: 1000,
            queue_bytes: 1 << 20,
            heartbeat_secs: 15,
            connections_per_user: 10,
            catch_up_max: 200,
            ping_secs: 25,
            pong_secs: 10,
            first_frame_secs: 10,
            message_bytes: 64 << 10,
            node_queue_bytes: 512 << 20,
            resumes_per_second: 2000,
            database_resumes: 50,
        }
    }
}
