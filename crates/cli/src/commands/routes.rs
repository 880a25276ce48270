//! `tidings routes list`, `tidings routes test`: what the routes of the settings make of a record, before anybody sees it.
//!
//! The routes are read here, as the server reads them, so that a new one is tried before the server has it; the record
//! comes from a server, from Kafka, or from a file.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use tidings_config::Config;
use tidings_model::{Clock as _, Kind, Record, SystemClock, Timestamp};
use tidings_server::{Route, Shown};

use super::{
    consume::{Position, Source, StoredRecord},
    settings,
};
use crate::{
    failure::Failure,
    reach::Reach,
    table::table,
    terminal::{Paint, harmless, say, say_json},
};

/// Show the routes of the settings, and what they would make of a record.
#[derive(Debug, Args)]
pub(crate) struct Routes {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the routes of the settings.
    List(List),
    /// Show what each route of a topic would make of a record: who sees what, or why it would be given up.
    Test(Box<Test>),
}

#[derive(Debug, Args)]
struct List {
    /// The settings; `tidings.toml` in this folder where it is absent.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("record").required(true))]
struct Test {
    /// The topic, by its name in the log or the one that the settings give it.
    #[arg(long)]
    topic: String,
    /// The record at this offset.
    #[arg(long, group = "record", value_name = "N")]
    offset: Option<u64>,
    /// The record in this file: as `tidings consume --json` prints one, or its value alone.
    #[arg(long, group = "record", value_name = "FILE")]
    file: Option<PathBuf>,
    /// The record's partition.
    #[arg(long, value_name = "N", default_value_t = 0)]
    partition: u32,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Read from these brokers of a Kafka cluster instead of a server.
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    brokers: Vec<String>,
    #[command(flatten)]
    reach: Reach,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Items<T> {
    items: Vec<T>,
}

/// A route of the settings.
#[derive(Serialize)]
struct Listed {
    route: String,
    topic: String,
    to: Vec<String>,
    #[serde(rename = "type")]
    frame_type: String,
    kind: Kind,
}

/// What a route would make of the record.
#[derive(Serialize)]
struct Tried {
    route: String,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Outcome {
    /// Somebody sees it.
    Message {
        to: Vec<String>,
        #[serde(rename = "type")]
        frame_type: String,
        kind: Kind,
        inbox: bool,
        expires_at: Option<Timestamp>,
        data: serde_json::Value,
    },
    /// Nobody sees it, and nothing is wrong.
    Nothing { reason: &'static str },
    /// It would be given up.
    DeadLetter { reason: String },
}

impl Routes {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.what {
            What::List(list) => list.run(),
            What::Test(test) => test.run().await,
        }
    }
}

impl List {
    fn run(self) -> Result<(), Failure> {
        let routes = tidings_server::routes_of(&settings(self.config.as_ref())?)?;
        let listed = routes.iter().map(|route| Listed {
            route: route.group().to_owned(),
            topic: route.topic().to_owned(),
            to: route.to().collect(),
            frame_type: route.frame_type().to_owned(),
            kind: route.kind(),
        });
        if self.json {
            return say_json(&Items { items: listed.collect() });
        }
        let rows = listed.map(|listed| {
            let Listed { route, topic, to, frame_type, kind } = listed;
            [route, topic, to.join(", "), frame_type, kind.as_str().to_owned()]
        });
        say(table(Paint::stdout(), ["route", "topic", "to", "type", "kind"], rows.collect()))
    }
}

impl Test {
    async fn run(self) -> Result<(), Failure> {
        let config = settings(self.reach.config.as_ref())?;
        let in_log = |alias: &str| {
            let named = config.topics.get(alias).and_then(|topic| topic.name.clone());
            named.unwrap_or_else(|| alias.to_owned())
        };
        let mut routes = tidings_server::routes_of(&config)?;
        routes.retain(|route| route.topic() == self.topic || in_log(route.topic()) == self.topic);
        if routes.is_empty() {
            return Err(Failure::usage(no_route(&config, &self.topic)));
        }
        let topic = in_log(routes.first().map_or(&self.topic, |route| route.topic()));
        let record = match (&self.file, self.offset) {
            (Some(file), _) => from_file(&std::fs::read(file)?, &topic),
            (None, offset) => self.stored_record(&topic, offset.unwrap_or_default()).await?,
        };
        let now = SystemClock.now();
        let tried: Vec<Tried> = routes.iter().map(|route| Tried::of(route, &record, now)).collect();
        let given_up =
            tried.iter().filter(|tried| matches!(tried.outcome, Outcome::DeadLetter { .. })).count();
        let count = tried.len();
        if self.json {
            say_json(&Items { items: tried })?;
        } else {
            tried.iter().try_for_each(Tried::say)?;
        }
        match given_up {
            0 => Ok(()),
            _some => Err(Failure::new(format!("{given_up} of {count} routes would give the record up"))),
        }
    }

    async fn stored_record(&self, topic: &str, offset: u64) -> Result<Record, Failure> {
        let source = Source::reach(&self.brokers, &self.reach).await?;
        let position = Position { partition: self.partition, offset };
        let page = source.page(topic, &position, 1).await?;
        let found = page.items.into_iter().find(|record| record.offset == offset);
        let missing = || {
            let partition = self.partition;
            Failure::new(format!("`{topic}` has no record at {partition}@{offset}, or no longer"))
        };
        found.map(Record::from).ok_or_else(missing)
    }
}

fn no_route(config: &Config, topic: &str) -> String {
    let topics: Vec<&str> = config.routes.iter().map(|route| route.topic.as_str()).collect();
    match topics.as_slice() {
        [] => "the settings have no [[routes]]; name the file that has them with --config".to_owned(),
        topics => format!("no route of the settings reads `{topic}`; they read {}", topics.join(", ")),
    }
}

/// A record as `consume --json` prints it, or one that was written just now with this value alone.
fn from_file(text: &[u8], topic: &str) -> Record {
    if let Ok(record) = serde_json::from_slice::<StoredRecord>(text) {
        return record.into();
    }
    Record {
        topic: topic.to_owned(),
        partition: 0,
        offset: 0,
        time: SystemClock.now(),
        key: None,
        headers: Vec::new(),
        value: Some(text.to_vec()),
    }
}

impl Tried {
    fn of(route: &Route, record: &Record, now: Timestamp) -> Self {
        let outcome = match route.show(record, now) {
            Ok(Some(shown)) => {
                let Shown { id: _, to, frame_type, kind, listed: inbox, expires_at, data } = shown;
                let to = to.iter().map(ToString::to_string).collect();
                Outcome::Message { to, frame_type, kind, inbox, expires_at, data }
            }
            Ok(None) if record.value.is_none() => Outcome::Nothing { reason: "it is a tombstone" },
            Ok(None) => Outcome::Nothing { reason: "it is older than it is to be kept" },
            Err(cause) => Outcome::DeadLetter { reason: cause.to_string() },
        };
        Self { route: route.group().to_owned(), outcome }
    }

    fn say(&self) -> Result<(), Failure> {
        let paint = Paint::stdout();
        let route = paint.bold(harmless(&self.route));
        match &self.outcome {
            Outcome::Nothing { reason } => say(format!("{route}: nothing; {reason}")),
            Outcome::DeadLetter { reason } => say(format!("{route}: a dead letter\n  {}", harmless(reason))),
            Outcome::Message { to, frame_type, kind, inbox, expires_at, data } => {
                let inbox = if *inbox { ", in the inbox" } else { "" };
                let until = expires_at.map_or_else(String::new, |at| format!(", until {at}"));
                let shown = data.to_string();
                say(format!(
                    "{route}: a message\n  to    {}\n  type  {} ({}{inbox}{until})\n  data  {}",
                    harmless(&to.join(", ")),
                    harmless(frame_type),
                    kind.as_str(),
                    harmless(&shown)
                ))
            }
        }
    }
}
