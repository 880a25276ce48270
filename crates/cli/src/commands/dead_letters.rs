//! `tidings dead-letters`: what groups gave up, sent through again or forgotten; of a server, or of any Kafka cluster.

mod kafka;

use bytes::Bytes;
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::kafka::Letters;
use crate::{
    failure::Failure,
    kafka::Cluster,
    reach::{self, Reach},
    table::table,
    terminal::{Paint, harmless, remark, say, say_json},
};

/// Dead letters that one request sends; between two of them it is said how far it is.
const SLICE: usize = 100;
/// Dead letters of one page.
const PAGE: usize = 200;
/// Letters of a cause that a table shows.
const CAUSE: usize = 60;

/// Show what groups gave up, send it through again, forget it.
#[derive(Debug, Args)]
pub(crate) struct DeadLetters {
    #[command(subcommand)]
    action: Action,
    /// Ask these brokers of a Kafka cluster instead of a server: its topics that end in `-dlt` or `.DLT`, whoever
    /// writes them.
    #[arg(long, global = true, value_name = "HOST:PORT,…", value_delimiter = ',')]
    brokers: Vec<String>,
    /// With --brokers: only this topic, whatever its name.
    #[arg(long = "in", global = true, value_name = "TOPIC")]
    within: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show them, newest first.
    List(List),
    /// Show one with all that is known of it.
    Show(Show),
    /// Send them through again: to their topic and key, with their event id, for their group alone.
    Redrive(Redrive),
    /// Forget them: of each record only the place is left.
    Purge(Purge),
}

/// Which ones.
#[derive(Debug, Default, Clone, Args, Serialize)]
#[command(next_help_heading = "Which")]
struct Filter {
    /// Records of this topic.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    /// Those that this group gave up.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    /// Those with this text in one of their causes.
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    filter: Filter,
    /// `open`, `redriven`, `handled` or `purged`; all but the purged where it is absent.
    #[arg(long)]
    state: Option<String>,
    /// How many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Args)]
struct Show {
    /// Its id: `orders/3/1042@billing`; with --brokers its place, `orders-dlt/3/1042`.
    id: String,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Args)]
struct Redrive {
    /// Their ids; without any, what the filter takes, or `--all`.
    ids: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// All that are open; with --brokers, all that no run over all has passed before.
    #[arg(long)]
    all: bool,
    /// How many in a second.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,
    /// Send nothing, only say what would be.
    #[arg(long)]
    dry_run: bool,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Args)]
struct Purge {
    /// Their ids; without any, what the filter takes.
    ids: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// Forget nothing, only count.
    #[arg(long)]
    dry_run: bool,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

/// A dead letter as the server tells it.
#[derive(Debug, Deserialize, Serialize)]
struct Letter {
    id: String,
    state: String,
    redrives: u32,
    attempts: u32,
    causes: Vec<String>,
    created_at: String,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Page {
    items: Vec<Letter>,
    next_cursor: Option<String>,
}

/// What became of a run.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Redriven {
    total: u64,
    sent: u64,
    succeeded: u64,
    failed: u64,
    waiting: u64,
    stopped: bool,
    failures: Vec<Failed>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Failed {
    id: String,
    reason: String,
}

#[derive(Debug, Deserialize, Serialize)]
struct Purged {
    purged: u64,
}

impl DeadLetters {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let Self { action, brokers, within } = self;
        if !brokers.is_empty() {
            return action.run_on_kafka(brokers, within.as_deref()).await;
        }
        if within.is_some() {
            return Err(Failure::usage("--in names a topic of a Kafka cluster: give its --brokers too"));
        }
        match action {
            Action::List(list) => list.run().await,
            Action::Show(show) => show.run().await,
            Action::Redrive(redrive) => redrive.run().await,
            Action::Purge(purge) => purge.run().await,
        }
    }
}

impl Action {
    async fn run_on_kafka(self, brokers: Vec<String>, topic: Option<&str>) -> Result<(), Failure> {
        let at = |reach: &Reach| Cluster { brokers, config: reach.config.clone() };
        match self {
            Self::List(list) => Letters::open(at(&list.reach).look().await?, topic).await?.list(&list).await,
            Self::Show(show) => Letters::open(at(&show.reach).look().await?, topic).await?.show(&show).await,
            Self::Redrive(redrive) => {
                redrive.check()?;
                let cluster = at(&redrive.reach);
                // A dry run needs no right to write.
                let log = if redrive.dry_run { cluster.look().await? } else { cluster.write().await? };
                Letters::open(log, topic).await?.redrive(&redrive).await
            }
            Self::Purge(_) => Err(Failure::usage(
                "Kafka forgets dead letters when their topic's retention ends; purge is for a server's own",
            )),
        }
    }
}

impl Filter {
    fn is_empty(&self) -> bool {
        matches!(self, Self { topic: None, group: None, cause: None })
    }

    /// As query parameters, each followed by `&`.
    fn query(&self) -> String {
        let named = [("topic", &self.topic), ("group", &self.group), ("cause", &self.cause)];
        let pair = |(name, value): (&str, &Option<String>)| {
            value.as_ref().map(|value| format!("{name}={}&", reach::segment(value)))
        };
        named.into_iter().filter_map(pair).collect()
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let state = self.state.as_ref().map(|state| format!("state={}&", reach::segment(state)));
        let query = format!("{}{}limit={}", self.filter.query(), state.unwrap_or_default(), self.limit);
        let page: Page =
            reach::get(&self.reach.operator()?, &format!("/api/v1/dead-letters?{query}")).await?;
        if self.json {
            return say_json(&page);
        }
        let row = |letter: Letter| {
            let cause: String =
                letter.causes.first().into_iter().flat_map(|cause| cause.chars().take(CAUSE)).collect();
            [
                letter.created_at,
                letter.id,
                letter.state,
                letter.attempts.to_string(),
                letter.redrives.to_string(),
                cause,
            ]
        };
        let heading = ["given up", "id", "state", "attempts", "redrives", "cause"];
        say(table(Paint::stdout(), heading, page.items.into_iter().map(row).collect()))?;
        if page.next_cursor.is_some() {
            remark(format_args!("there are more; narrow it down, or raise --limit"));
        }
        Ok(())
    }
}

impl Show {
    async fn run(self) -> Result<(), Failure> {
        let path = format!("/api/v1/dead-letters/{}", reach::segment(&self.id));
        let letter: Letter = reach::get(&self.reach.operator()?, &path).await?;
        if self.json {
            return say_json(&letter);
        }
        let text = |name: &str| match letter.rest.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => "–".to_owned(),
            Some(other) => other.to_string(),
        };
        let headers = letter.rest.get("headers").and_then(Value::as_array).into_iter().flatten();
        let headers: Vec<_> = headers
            .map(|pair| format!("{}: {}", pair[0].as_str().unwrap_or("?"), pair[1].as_str().unwrap_or("?")))
            .collect();
        let rows = [
            ("id", letter.id.clone()),
            ("state", format!("{} ({} times sent through again)", letter.state, letter.redrives)),
            (
                "given up",
                format!("{} after {} attempts, by {}", letter.created_at, letter.attempts, text("handler")),
            ),
            ("appended", text("recorded_at")),
            ("event", text("event_id")),
            ("key", text("key")),
            ("headers", headers.join("\n")),
            ("causes", letter.causes.join("\n")),
            ("value", text("value")),
        ];
        show(&rows)
    }
}

/// Prints names and values, which may have several lines.
fn show(rows: &[(&str, String)]) -> Result<(), Failure> {
    for (name, value) in rows {
        for (at, line) in value.lines().enumerate() {
            say(format!("{:<9} {}", if at == 0 { name } else { "" }, harmless(line)))?;
        }
    }
    Ok(())
}

impl Redrive {
    /// Nobody means all without saying so.
    fn check(&self) -> Result<(), Failure> {
        if self.ids.is_empty() && self.filter.is_empty() && !self.all {
            return Err(Failure::usage("name dead letters, a filter (--topic, --group, --cause), or --all"));
        }
        Ok(())
    }

    async fn run(self) -> Result<(), Failure> {
        self.check()?;
        let client = self.reach.operator()?;
        let ids = if self.ids.is_empty() { open(&client, &self.filter).await? } else { self.ids.clone() };
        let mut all = Redriven { total: ids.len() as u64, ..Redriven::default() };
        for slice in ids.chunks(SLICE) {
            let body = json!({ "ids": slice, "rate": self.rate, "dry_run": self.dry_run });
            let done: Redriven = post(&client, "/api/v1/dead-letters/redrive", &body).await?;
            all.sent += done.sent;
            all.succeeded += done.succeeded;
            all.failed += done.failed;
            all.waiting += done.waiting;
            all.stopped |= done.stopped;
            all.failures.extend(done.failures);
            if !self.json && ids.len() > SLICE {
                remark(format_args!("{} of {} sent, {} failed", all.sent, all.total, all.failed));
            }
            if all.stopped {
                break;
            }
        }
        if self.json {
            say_json(&all)?;
        } else {
            for Failed { id, reason } in &all.failures {
                say(format!("{}  {}", harmless(id), harmless(reason)))?;
            }
            let would = if self.dry_run { "would be sent" } else { "sent" };
            say(format!(
                "{} of {} {would}: {} handled, {} failed, {} without a word yet",
                all.sent, all.total, all.succeeded, all.failed, all.waiting
            ))?;
        }
        if all.stopped {
            return Err(Failure::new("stopped: more than a fifth failed again; mend the cause first"));
        }
        if all.failed > 0 { Err(Failure::new(format!("{} failed", all.failed))) } else { Ok(()) }
    }
}

impl Purge {
    async fn run(self) -> Result<(), Failure> {
        let body = if !self.ids.is_empty() {
            json!({ "ids": self.ids, "dry_run": self.dry_run })
        } else if self.filter.is_empty() {
            return Err(Failure::usage("name dead letters or a filter (--topic, --group, --cause)"));
        } else {
            json!({ "filter": self.filter, "dry_run": self.dry_run })
        };
        let done: Purged = post(&self.reach.operator()?, "/api/v1/dead-letters/purge", &body).await?;
        if self.json {
            return say_json(&done);
        }
        let what = if self.dry_run { "would be forgotten" } else { "forgotten" };
        say(format!("{} {what}", done.purged))
    }
}

/// The ids of all open ones that a filter takes, oldest first.
async fn open(client: &tidings_client::Client, filter: &Filter) -> Result<Vec<String>, Failure> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let query = format!("{}state=open&limit={PAGE}{cursor}", filter.query());
        let page: Page = reach::get(client, &format!("/api/v1/dead-letters?{query}")).await?;
        ids.extend(page.items.into_iter().map(|letter| letter.id));
        match page.next_cursor {
            Some(next) => cursor = format!("&cursor={}", reach::segment(&next)),
            None => break,
        }
    }
    ids.reverse();
    Ok(ids)
}

async fn post<T: serde::de::DeserializeOwned>(
    client: &tidings_client::Client,
    path: &str,
    body: &Value,
) -> Result<T, Failure> {
    let json = Bytes::from(body.to_string());
    let answer = client.send(http::Method::POST, path, &[], Some(json)).await;
    reach::read(answer.map_err(|cause| reach::unreached(client, cause))?)
}
