//! The server of a test, in a temporary folder, and who calls it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tempfile::TempDir;
use tidings_api::{Mint, TokenClaims};
use tidings_config::Config;
use tidings_model::{Clock, SystemClock};
use tidings_server::{Server, StartError};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::Answer;

/// The secret that the server's tokens are signed with.
const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// How long anything may take before the test fails.
const LIMIT: Duration = Duration::from_secs(20);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// A running server.
#[derive(Debug)]
pub struct App {
    server: Server,
    /// Where it keeps everything.
    pub folder: TempDir,
}

impl App {
    /// A server with the default settings.
    pub async fn start() -> Self {
        Self::start_with(|_config| {}).await
    }

    /// A server with other settings.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_at(Arc::new(SystemClock), change).await
    }

    /// A server with other settings and another clock.
    pub async fn start_at(clock: Arc<dyn Clock>, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let server = start(&folder, clock, change).await.expect("the server starts");
        Self { server, folder }
    }

    /// The sentence with which a server with these settings does not start.
    pub async fn refused(change: impl FnOnce(&mut Config)) -> String {
        let folder = tempfile::tempdir().expect("a temporary folder");
        start(&folder, Arc::new(SystemClock), change)
            .await
            .expect_err("the server does not start")
            .to_string()
    }

    /// The server itself.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The secret that the server's tokens are signed with.
    pub fn secret(&self) -> &'static str {
        SECRET
    }

    /// A token of somebody with these roles, which hold for an hour; none leaves the directory's.
    pub fn token(&self, sub: &str, roles: Option<&[&str]>, scope: Option<&str>) -> String {
        let seconds = SystemClock.now().millis() / 1000;
        self.sign(&TokenClaims {
            exp: seconds + 3600,
            iat: Some(seconds),
            roles: roles.map(|roles| roles.iter().map(|role| (*role).to_owned()).collect()),
            scope: scope.map(str::to_owned),
            ..TokenClaims::of(sub)
        })
    }

    /// A token with these claims.
    pub fn sign(&self, claims: &TokenClaims) -> String {
        Mint::hs256(SECRET.as_bytes(), Arc::new(SystemClock)).sign(claims).expect("the claims are JSON")
    }

    /// A token of an administrator.
    pub fn admin(&self) -> String {
        self.token("root", Some(&["admin"]), None)
    }

    /// A token of an ordinary person.
    pub fn user(&self, sub: &str) -> String {
        self.token(sub, None, None)
    }

    /// A service key with these scopes: its id and itself.
    pub async fn key(&self, scopes: &[&str]) -> (String, String) {
        self.made(&serde_json::json!({ "name": "a service", "scopes": scopes })).await
    }

    /// A service key as an administrator asks for it: its id and itself.
    pub async fn made(&self, body: &serde_json::Value) -> (String, String) {
        let headers = ["Content-Type: application/json"];
        let answer = self
            .admin_send("POST", "/api/v1/keys", &self.admin(), &headers, body.to_string().as_bytes())
            .await;
        assert_eq!(answer.status, 201, "{}", answer.json());
        let text = |name: &str| answer.json()[name].as_str().expect("a text").to_owned();
        (text("id"), text("key"))
    }

    /// Takes a service key back.
    pub async fn revoke(&self, id: &str) -> u16 {
        self.admin_send("DELETE", &format!("/api/v1/keys/{id}"), &self.admin(), &[], b"").await.status
    }

    /// Sends a request without a body.
    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, token, &[], b"").await
    }

    /// Sends JSON.
    pub async fn post(&self, path: &str, token: &str, body: &serde_json::Value) -> Answer {
        self.send("POST", path, token, &["Content-Type: application/json"], body.to_string().as_bytes()).await
    }

    /// Asks the admin listener.
    pub async fn admin_get(&self, path: &str, token: &str) -> Answer {
        self.admin_send("GET", path, token, &[], b"").await
    }

    /// Sends a request to the admin listener; `token` may be empty.
    pub async fn admin_send(
        &self,
        method: &str,
        path: &str,
        token: &str,
        headers: &[&str],
        body: &[u8],
    ) -> Answer {
        exchange(self.server.admin_address, &request(method, path, token, headers, body)).await
    }

    /// Says something to everybody, and waits until the groups that carry it say so.
    pub async fn settled(&self) {
        let said = serde_json::json!({ "content": "hi", "target": { "type": "all" } });
        assert_eq!(self.post("/api/v1/broadcasts", &self.admin(), &said).await.status, 201);
        for group in ["broadcast-service-group-lifecycle", "broadcast-service-group"] {
            // Places are copied to where this route looks once a second.
            self.admin_until(&format!("/api/v1/consumer-groups/{group}"), |body| body["lag"] == 0).await;
        }
    }

    /// Asks the admin listener until it answers as wanted.
    pub async fn admin_until(
        &self,
        path: &str,
        wanted: impl Fn(&serde_json::Value) -> bool,
    ) -> serde_json::Value {
        let asking = async {
            loop {
                let body = self.admin_get(path, &self.admin()).await.json();
                if wanted(&body) {
                    return body;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        timeout(LIMIT, asking).await.expect("the answer that is wanted in time")
    }

    /// Sends a request; `token` may be empty.
    pub async fn send(&self, method: &str, path: &str, token: &str, headers: &[&str], body: &[u8]) -> Answer {
        self.raw(&request(method, path, token, headers, body)).await
    }

    /// Sends these bytes on the public listener and reads what comes until the end.
    pub async fn raw(&self, bytes: &[u8]) -> Answer {
        exchange(self.server.address, bytes).await
    }

    /// Opens a stream and reads its head.
    pub async fn stream(&self, query: &str, headers: &[&str]) -> Stream {
        let request = format!("GET /api/v1/stream{query} HTTP/1.1");
        let head = [&[request.as_str(), "Host: localhost"], headers].concat().join("\r\n");
        let mut socket = TcpStream::connect(self.server.address).await.expect("a connection");
        socket.write_all(format!("{head}\r\n\r\n").as_bytes()).await.expect("the request goes out");
        Stream { socket, read: Vec::new() }
    }
}

async fn start(
    folder: &TempDir,
    clock: Arc<dyn Clock>,
    change: impl FnOnce(&mut Config),
) -> Result<Server, StartError> {
    let mut config = Config::default();
    config.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.server.grace_secs = 2;
    config.admin.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.database.url = format!("sqlite://{}", folder.path().join("tidings.db").display());
    config.auth.hs256_secret = Some(SECRET.to_owned());
    // One caller tries everything in a few seconds; tests of rates set their own.
    config.limits.requests_per_second = 100_000;
    config.limits.broadcasts_per_minute = 6_000_000;
    change(&mut config);
    Server::start(config, clock, 7).await
}

/// The bytes of a request.
fn request(method: &str, path: &str, token: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut head = vec![format!("{method} {path} HTTP/1.1"), "Host: localhost".to_owned()];
    if !headers.iter().any(|header| header.starts_with("Connection:")) {
        head.push("Connection: close".to_owned());
    }
    if !token.is_empty() {
        head.push(format!("Authorization: Bearer {token}"));
    }
    if !body.is_empty() || method == "POST" {
        head.push(format!("Content-Length: {}", body.len()));
    }
    head.extend(headers.iter().map(|header| (*header).to_owned()));
    [head.join("\r\n").as_bytes(), b"\r\n\r\n", body].concat()
}

/// Sends bytes and reads the answer until the connection ends.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    let (mut reading, mut writing) = socket.split();
    let mut read = Vec::new();
    // The server may answer and close before it has read everything: that is its right.
    let (_sent, received) =
        timeout(LIMIT, async { tokio::join!(writing.write_all(bytes), reading.read_to_end(&mut read)) })
            .await
            .expect("an answer in time");
    Answer::parse(&read)
        .unwrap_or_else(|| panic!("no answer: {received:?} {}", String::from_utf8_lossy(&read)))
}

/// An open stream of events.
#[derive(Debug)]
pub struct Stream {
    socket: TcpStream,
    read: Vec<u8>,
}

impl Stream {
    /// Reads until a text was seen; answers everything read so far.
    pub async fn until(&mut self, text: &str) -> String {
        timeout(LIMIT, async {
            loop {
                let seen = String::from_utf8_lossy(&self.read).into_owned();
                if seen.contains(text) {
                    return seen;
                }
                let read = self.socket.read_buf(&mut self.read).await.expect("the stream can be read");
                assert!(read > 0, "the stream ended before `{text}`: {seen}");
            }
        })
        .await
        .unwrap_or_else(|_late| panic!("no `{text}` in time: {}", String::from_utf8_lossy(&self.read)))
    }
}
