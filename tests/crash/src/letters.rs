//! Dead letters, as operators see them and send them through again.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tidings_client::{Client, ClientError};
use tidings_model::{Clock as _, SystemClock};
use tokio::time::Instant;

use crate::{pages::pages, people::operator_token};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// A record that a group gave up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Letter {
    /// Its id.
    pub id: String,
    /// The topic of the record.
    pub topic: String,
    /// `open`, `redriven`, `handled` or `purged`.
    pub state: String,
    /// The record's key, as text.
    pub key: Option<String>,
    /// The record's headers, as text.
    pub headers: Vec<(String, String)>,
    /// The record's value, as text.
    pub value: Option<String>,
    /// How often it was sent through again.
    pub redrives: u32,
}

impl Letter {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The operators' side of a node.
#[derive(Clone, Debug)]
pub struct Desk {
    client: Client,
}

impl Desk {
    /// The desk of the node whose operators connect here.
    pub fn new(admin: &str) -> Self {
        Self { client: Client::new(admin, Some(&operator_token())).expect("the base is a URL") }
    }

    /// All dead letters but the purged; none if it cannot be asked now.
    pub async fn letters(&self) -> Option<Vec<Letter>> {
        pages(&self.client, "/api/v1/dead-letters").await.ok()
    }

    /// Waits until the dead letters are as wanted, at most `limit`; what they are then.
    pub async fn letters_when(&self, limit: Duration, wanted: impl Fn(&[Letter]) -> bool) -> Vec<Letter> {
        let until = Instant::now() + limit;
        loop {
            let letters = self.letters().await;
            match letters {
                Some(letters) if wanted(&letters) || Instant::now() >= until => return letters,
                None if Instant::now() >= until => return Vec::new(),
                Some(_) | None => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Sends one through again; the status of the answer.
    pub async fn redrive(&self, id: &str) -> Result<StatusCode, ClientError> {
        let path = format!("/api/v1/dead-letters/{}/redrive", id.replace('/', "%2F"));
        Ok(self.client.post(&path, &json!({})).await?.status)
    }

    /// Forgets all dead letters. False: they could not be.
    pub async fn purge_all(&self) -> bool {
        let all = json!({ "filter": { "before": SystemClock.now() } });
        let purged = self.client.post("/api/v1/dead-letters/purge", &all).await;
        purged.is_ok_and(|answer| answer.status.is_success())
    }

    /// Lets nothing fail on purpose any more.
    pub async fn clear_faults(&self) -> Result<StatusCode, ClientError> {
        Ok(self.client.delete("/api/v1/testing/faults").await?.status)
    }
}
