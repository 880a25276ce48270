//! `tidings keys`: what services come in with.

use bytes::Bytes;
use clap::{Args, Subcommand};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    expiry::{self, Expiry},
    failure::Failure,
    reach::{self, Reach},
    table::table,
    terminal::{Paint, harmless, remark, say, say_json},
};

/// Keys of one page.
const PAGE: usize = 200;

/// Make keys for services, list and revoke them.
#[derive(Debug, Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make one: it is printed, and shown nowhere again.
    Create(Create),
    /// List them, newest first.
    List(List),
    /// Take one back: within 5 seconds nobody comes in with it.
    Revoke(Revoke),
}

#[derive(Debug, Args)]
struct Create {
    /// What it is for.
    #[arg(long)]
    name: String,
    /// What it may do, for example message:write: several separated by spaces, or given several times. None that you do
    /// not have.
    #[arg(long = "scope", required_unless_present = "roles")]
    scopes: Vec<String>,
    /// A role; `admin` has every scope, and a key has no other.
    #[arg(long = "role")]
    roles: Vec<String>,
    /// When it ends: so long from now (90s, 45m, 2h, 30d). Never where it is absent.
    #[arg(long, value_name = "TIME", value_parser = expiry::within)]
    expires_in: Option<Expiry>,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Args)]
struct List {
    /// Print the keys as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Args)]
struct Revoke {
    /// Which: key_…, as `list` shows it.
    id: String,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Key>,
    next_cursor: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Key {
    id: String,
    name: String,
    scopes: Vec<String>,
    roles: Vec<String>,
    state: String,
    created_by: String,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
    last_used_at: Option<String>,
}

impl Keys {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Create(create) => create.run().await,
            Action::List(list) => list.run().await,
            Action::Revoke(revoke) => revoke.run().await,
        }
    }
}

impl Create {
    async fn run(self) -> Result<(), Failure> {
        #[derive(Deserialize)]
        struct Created {
            id: String,
            key: String,
        }
        let scopes: Vec<&str> = self.scopes.iter().flat_map(|list| list.split_ascii_whitespace()).collect();
        let body = json!({
            "name": self.name, "scopes": scopes, "roles": self.roles, "expires_at": self.expires_in.map(Expiry::at),
        });
        let client = self.reach.operator()?;
        let answer =
            client.send(Method::POST, "/api/v1/keys", &[], Some(Bytes::from(body.to_string()))).await;
        let answer: Value = reach::read(answer.map_err(|cause| reach::unreached(&client, cause))?)?;
        if self.json {
            return say_json(&answer);
        }
        let Created { id, key } = serde_json::from_value(answer).map_err(|cause| Failure::of(&cause))?;
        // The key alone is the output, so that a script may take it.
        say(harmless(&key))?;
        remark(format_args!("{}: keep it now, it is not shown again", harmless(&id)));
        Ok(())
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let client = self.reach.operator()?;
        let (mut keys, mut cursor) = (Vec::new(), String::new());
        loop {
            let page: Page = reach::get(&client, &format!("/api/v1/keys?limit={PAGE}{cursor}")).await?;
            keys.extend(page.items);
            match page.next_cursor {
                Some(next) => cursor = format!("&cursor={}", reach::segment(&next)),
                None => break,
            }
        }
        if self.json {
            return say_json(&keys);
        }
        let rows = keys.into_iter().map(|key| {
            let allowed: Vec<String> = [key.roles, key.scopes].concat();
            let shown = |time: Option<String>| time.unwrap_or_else(|| "-".to_owned());
            [key.id, key.name, key.state, allowed.join(" "), shown(key.expires_at), shown(key.last_used_at)]
        });
        let heading = ["id", "name", "state", "scopes", "expires", "last used"];
        say(table(Paint::stdout(), heading, rows.collect()))
    }
}

impl Revoke {
    async fn run(self) -> Result<(), Failure> {
        let client = self.reach.operator()?;
        let path = format!("/api/v1/keys/{}", reach::segment(&self.id));
        let answer = client.delete(&path).await.map_err(|cause| reach::unreached(&client, cause))?;
        reach::granted(answer)?;
        say(format!("{} is revoked", harmless(&self.id)))
    }
}
