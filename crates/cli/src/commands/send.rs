//! `tidings send`.

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidings_model::{Channel, Timestamp};

use crate::{
    expiry::Expiry,
    failure::{Failure, Kind},
    reach::{self, Reach},
    terminal::{Paint, harmless, remark, say, say_json},
};

/// Say something to an audience. It is saved when the command ends, and on its way.
#[derive(Debug, Args)]
pub(crate) struct Send {
    /// What it says.
    content: String,
    /// A line above it.
    #[arg(long)]
    title: Option<String>,
    /// Whom it is for: `all`, `role:NAME`, `group:NAME` or `user:ID`. May be given several times, of one kind.
    #[arg(long, required = true, value_name = "AUDIENCE")]
    to: Vec<Channel>,
    /// How much it matters; `urgent` passes mutes and quiet hours.
    #[arg(long, value_enum, default_value_t = Priority::Normal)]
    priority: Priority,
    /// When it is no longer delivered: a time (2026-01-31T09:30:00Z), or how long from now (90s, 45m, 2h, 30d).
    #[arg(long)]
    expires: Option<Expiry>,
    /// Makes a repeat harmless: the same key again gives the first answer. Made and shown where it is absent.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum Priority {
    Low,
    Normal,
    High,
    Urgent,
}

/// The request's `target`.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Target {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ids: Vec<String>,
}

#[derive(Serialize)]
struct Broadcast<'a> {
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    target: Target,
    priority: Priority,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Created {
    id: String,
    #[serde(default)]
    warnings: Vec<String>,
}

/// One broadcast goes to one kind of audience.
fn target(to: &[Channel]) -> Result<Target, Failure> {
    let kind = match to.first() {
        Some(Channel::All) => "all",
        Some(Channel::Role(_)) => "role",
        Some(Channel::Group(_)) => "group",
        Some(Channel::User(_)) => "selected",
        Some(Channel::Conversation(_) | Channel::Author(_) | Channel::App(_)) | None => {
            return Err(Failure::usage("--to takes all, role:NAME, group:NAME or user:ID"));
        }
    };
    if to.windows(2).any(|pair| pair[0].family() != pair[1].family()) {
        return Err(Failure::usage(
            "--to takes one kind at a time: send once to all, to roles, to groups, or to people",
        ));
    }
    let ids = to.iter().map(|channel| channel.name().to_owned()).filter(|name| !name.is_empty()).collect();
    Ok(Target { kind, ids })
}

/// A key nobody else uses.
pub(super) fn fresh_key() -> Result<String, Failure> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|cause| Failure::new(cause.to_string()))?;
    Ok(bytes.iter().fold("cli-".to_owned(), |key, byte| format!("{key}{byte:02x}")))
}

impl Send {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let paint = Paint::stdout();
        let expires_at = self.expires.map(Expiry::at);
        let body = Broadcast {
            content: &self.content,
            title: self.title.as_deref(),
            target: target(&self.to)?,
            priority: self.priority,
            expires_at,
        };
        let client = self.reach.client(None)?;
        let key = self.idempotency_key.map_or_else(fresh_key, Ok)?;
        let answer = reach::post_once::<Value>(&client, "/api/v1/broadcasts", &key, &body).await;
        let mut answer = answer.map_err(|failure| {
            // Whether it was taken is unknown; the key finds out.
            failure.said(Kind::Failed, |why| {
                format!("{why}; whether it was taken is unknown: repeat with --idempotency-key {key} and the one true answer comes")
            })
        })?;
        if self.json {
            if let Some(object) = answer.as_object_mut() {
                object.insert("idempotency_key".to_owned(), key.into());
            }
            return say_json(&answer);
        }
        let Created { id, warnings } = serde_json::from_value(answer).map_err(|cause| Failure::of(&cause))?;
        for warning in warnings {
            remark(format!("warning: {}", harmless(&warning)));
        }
        let to: Vec<String> = self.to.iter().map(|channel| harmless(&channel.to_string())).collect();
        say(format!(
            "{} is on its way to {}  {}",
            paint.bold(harmless(&id)),
            to.join(", "),
            paint.faint(format!("(idempotency key {})", harmless(&key)))
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audience_is_of_one_kind() {
        let to = |channels: &[&str]| {
            target(&channels.iter().map(|channel| channel.parse().unwrap()).collect::<Vec<_>>())
        };
        assert_eq!(to(&["all"]).unwrap(), Target { kind: "all", ids: Vec::new() });
        let people = Target { kind: "selected", ids: vec!["bob".to_owned(), "carol".to_owned()] };
        assert_eq!(to(&["user:bob", "user:carol"]).unwrap(), people);
        assert!(matches!(to(&["role:a", "group:b"]), Err(failure) if failure.is(Kind::Usage)));
        assert!(matches!(to(&["app:x"]), Err(failure) if failure.is(Kind::Usage)));
    }
}
