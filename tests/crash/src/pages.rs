//! Lists that come page by page.

use std::time::Duration;

use serde::{Deserialize, de::DeserializeOwned};
use tidings_client::{Answer, Client, ClientError};
use tokio::time::Instant;

/// The most that a page holds.
const PAGE: usize = 200;
/// How soon a server that comes back must answer.
const ANSWERED: Duration = Duration::from_mins(2);
/// Between two tries.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

/// All of a list.
pub async fn pages<T: DeserializeOwned>(client: &Client, path: &str) -> Result<Vec<T>, ClientError> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("{path}?limit={PAGE}{cursor}");
        let page: Page<T> = client.get(&path).await.and_then(Answer::success)?.json()?;
        all.extend(page.items);
        let Some(next) = page.next_cursor else { return Ok(all) };
        cursor = format!("&cursor={next}");
    }
}

/// The same, from a server that may have to come back first.
pub async fn pages_when_back<T: DeserializeOwned>(
    client: &Client,
    path: &str,
) -> Result<Vec<T>, ClientError> {
    let until = Instant::now() + ANSWERED;
    loop {
        match pages(client, path).await {
            Err(_away) if Instant::now() < until => tokio::time::sleep(LOOK).await,
            told => return told,
        }
    }
}
