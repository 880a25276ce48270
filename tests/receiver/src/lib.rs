//! A receiver of calls, as somebody would write one who has read Standard Webhooks and nothing of Tidings.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

/// The key of the calls, and how the settings write it.
const KEY: &[u8; 32] = b"an example of a key, 32 bytes on";

/// A call that was received, with its signature verified.
#[derive(Clone, Debug)]
pub struct Call {
    /// What it calls itself, the same each time that it is made.
    pub id: String,
    /// Who is called for.
    pub user: String,
    /// All that it says.
    pub body: Value,
}

/// What it answers.
#[derive(Clone, Copy, Debug)]
pub enum Says {
    /// A status alone.
    Status(u16),
    /// See elsewhere.
    Redirect,
    /// Nothing, however long one waits.
    Nothing,
}

/// Receives calls on this machine.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Call>>>,
    says: Arc<Mutex<VecDeque<Says>>>,
}

impl Receiver {
    /// Answers the first calls as it is told, and all others with 204.
    pub async fn start(says: &[Says]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let received: Arc<Mutex<Vec<Call>>> = Arc::default();
        let says = Arc::new(Mutex::new(says.iter().copied().collect()));
        let (calls, answers) = (Arc::clone(&received), Arc::clone(&says));
        let tasks = TaskTracker::new();
        let others = tasks.clone();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (calls, answers) = (Arc::clone(&calls), Arc::clone(&answers));
                let service =
                    service_fn(move |request| answer(request, Arc::clone(&calls), Arc::clone(&answers)));
                others.spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { address, received, says }
    }

    /// Where it is called.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// The port of that.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The calls so far.
    pub fn received(&self) -> Vec<Call> {
        self.received.lock().expect("nobody failed").clone()
    }

    /// What it answers from now on, and behind that 204.
    pub fn say(&self, says: &[Says]) {
        *self.says.lock().expect("nobody failed") = says.iter().copied().collect();
    }
}

/// How the settings write the key.
pub fn secret() -> String {
    format!("whsec_{}", STANDARD.encode(KEY))
}

async fn answer(
    request: Request<Incoming>,
    calls: Arc<Mutex<Vec<Call>>>,
    answers: Arc<Mutex<VecDeque<Says>>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        // Its caller ended within it: nothing was said, and nobody waits for the answer.
        return Ok(Response::default());
    };
    let body = body.to_bytes();
    let call = verified(&head.headers, &body);
    calls.lock().expect("nobody failed").push(call);
    let says = answers.lock().expect("nobody failed").pop_front().unwrap_or(Says::Status(204));
    let mut answer = Response::new(Empty::new());
    match says {
        Says::Status(status) => *answer.status_mut() = StatusCode::from_u16(status).expect("a status"),
        Says::Redirect => {
            *answer.status_mut() = StatusCode::FOUND;
            answer.headers_mut().insert(header::LOCATION, "/elsewhere".parse().expect("a place"));
        }
        Says::Nothing => std::future::pending().await,
    }
    Ok(answer)
}

fn verified(headers: &http::HeaderMap, body: &Bytes) -> Call {
    let text = |name: &str| headers[name].to_str().expect("a text").to_owned();
    let (id, at) = (text("webhook-id"), text("webhook-timestamp"));
    assert!(at.parse::<i64>().expect("a number") > 1_700_000_000, "{at} is a time in seconds");
    let signed = [id.as_bytes(), b".", at.as_bytes(), b".", body].concat();
    let expected = format!("v1,{}", STANDARD.encode(hmac(KEY, &signed)));
    assert_eq!(text("webhook-signature"), expected, "the signature holds");
    assert_eq!(text("content-type"), "application/json");
    let body: Value = serde_json::from_slice(body).expect("JSON");
    let user = body["data"]["user_id"].as_str().expect("a user").to_owned();
    Call { id, user, body }
}

/// RFC 2104, for keys of at most a block.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}
