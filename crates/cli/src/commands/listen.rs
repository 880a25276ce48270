//! `tidings listen`.

use std::{future::pending, time::Duration};

use clap::Args;
use http::StatusCode;
use serde_json::json;
use tidings_client::{Client, ClientError, Event, Frame, ListenOptions, Listener, Waits};
use tidings_model::{Channel, SessionId, UserId};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep_until},
};

use crate::{
    bookmark::Bookmark,
    failure::{Failure, Kind},
    reach::{self, Reach},
    terminal::{Paint, harmless, remark, say, say_json},
};

/// How long a printed message may stay unconfirmed: those that come close together are confirmed with one word.
const CONFIRM: Duration = Duration::from_millis(200);

/// The most ids of one request for receipts.
const RECEIPTS: usize = 1000;

/// Show what somebody is told, as it comes. Goes on after cuts and restarts where it was, until Ctrl-C.
#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// In the demo: as whom.
    #[arg(long, requires = "demo", required_if_eq("demo", "true"))]
    user: Option<UserId>,
    /// Which of the person's devices this is; each goes on from its own place.
    #[arg(long)]
    session: Option<SessionId>,
    /// Go on after this cursor, instead of where this device was.
    #[arg(long, value_name = "CURSOR")]
    since: Option<String>,
    /// Only these channels: `all`, `role:NAME`, `group:NAME`, `user:ID`, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "CHANNEL")]
    channels: Vec<Channel>,
    /// End after so many messages.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Print each frame as one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

impl Listen {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let paint = Paint::stdout();
        let user = self.user.as_ref().map(UserId::as_str);
        let token = self.reach.token(user)?;
        let client = self.reach.client(user)?;
        let channels: Vec<String> = self.channels.iter().map(ToString::to_string).collect();
        let mut bookmark = Bookmark::of(&self.reach.server, &token, self.session.as_ref(), &channels);
        let options = ListenOptions {
            session: self.session.clone().or_else(|| bookmark.session.clone()),
            cursor: self.since.clone().or_else(|| bookmark.cursor.clone()),
            channels,
            ..ListenOptions::default()
        };
        let seed = getrandom::u64().map_err(|cause| Failure::new(cause.to_string()))?;
        // The first connection is opened here: a server that is not there is told at once, not waited for.
        client.get("/healthz").await.map_err(|cause| reach::unreached(&client, cause))?;
        let mut listener = Listener::new(client.clone(), options, Waits::default(), seed);
        let mut shown = Shown::default();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (mut left, mut confirm_at) = (self.count, None::<Instant>);
        while left != Some(0) {
            let due = async {
                match confirm_at {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                frame = listener.next() => {
                    let frame = frame.map_err(refused)?;
                    if matches!(frame, Frame::Event { .. }) {
                        left = left.map(|left| left.saturating_sub(1));
                    }
                    self.show(paint, &frame)?;
                    shown.note(&frame);
                    bookmark.note(&frame, listener.cursor());
                    confirm_at = confirm_at.or_else(|| Some(Instant::now() + CONFIRM));
                }
                () = due => {
                    confirm_at = None;
                    confirm(&mut listener).await?;
                }
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
            }
        }
        confirm(&mut listener).await?;
        shown.confirm(&client).await
    }

    fn show(&self, paint: Paint, frame: &Frame) -> Result<(), Failure> {
        if self.json {
            return say_json(&as_json(frame));
        }
        match frame {
            Frame::Event { event, .. } => say(readable(paint, event)),
            Frame::Signal(signal) => {
                let said = harmless(&signal.data.to_string());
                remark(format!("{} {said}", harmless(&signal.signal_type)));
                Ok(())
            }
            Frame::Ready(ready) if ready.recovered => {
                remark(format!("{} listens", harmless(ready.user_id.as_str())));
                Ok(())
            }
            Frame::Ready(ready) => {
                let why = ready.reason.as_deref().filter(|reason| *reason != "no_cursor");
                let anew = why.map_or_else(String::new, |why| format!(" anew ({})", harmless(why)));
                remark(format!(
                    "{} listens{anew}; what is pending comes first",
                    harmless(ready.user_id.as_str())
                ));
                Ok(())
            }
            Frame::Digest(digest) => {
                remark(format!("{} more messages are pending in the inbox", digest.pending));
                Ok(())
            }
            Frame::TokenExpiring { expires_at } => {
                remark(format!("the token ends at {expires_at}; start again with a new one"));
                Ok(())
            }
            Frame::Shutdown { .. } => {
                remark("the server stops; waiting for it to come back");
                Ok(())
            }
            Frame::Cursor { .. } | Frame::Reply(_) | Frame::Unknown { .. } => Ok(()),
        }
    }
}

/// Messages of a catch-up that were printed and have no cursor yet: only its end gives one.
#[derive(Debug, Default)]
struct Shown(Vec<String>);

impl Shown {
    fn note(&mut self, frame: &Frame) {
        match frame {
            Frame::Event { cursor: None, event } if self.0.len() < RECEIPTS => {
                self.0.push(event.subject.clone());
            }
            Frame::Event { cursor: Some(_), .. } | Frame::Cursor { .. } => self.0.clear(),
            Frame::Event { .. }
            | Frame::Signal(_)
            | Frame::Ready(_)
            | Frame::Digest(_)
            | Frame::TokenExpiring { .. }
            | Frame::Shutdown { .. }
            | Frame::Reply(_)
            | Frame::Unknown { .. } => {}
        }
    }

    /// Confirms them one by one, so that a command which ends amid a catch-up does not print them again.
    async fn confirm(&self, client: &Client) -> Result<(), Failure> {
        if !self.0.is_empty() {
            client.post("/api/v1/receipts", &json!({ "delivered": self.0 })).await?.success()?;
        }
        Ok(())
    }
}

/// Confirms what was printed. A cut is no failure: the next connection confirms by its cursor.
async fn confirm(listener: &mut Listener) -> Result<(), Failure> {
    match listener.ack().await {
        Err(cause) if !cause.may_reconnect() => Err(refused(cause)),
        _done_or_later => Ok(()),
    }
}

/// What the server refused, with the next step.
pub(super) fn refused(cause: ClientError) -> Failure {
    let mut next = "";
    if let ClientError::Refused(refusal) = &cause {
        if refusal.code == "connection_limit" {
            next = "; close another stream of this person first";
        } else if refusal.status == StatusCode::UNAUTHORIZED {
            next = "; mint one with `tidings token`";
        }
    }
    Failure::from(cause).said(Kind::Refused, |why| format!("{why}{next}"))
}

/// One line: when, by which channel, what, about what, and its text.
fn readable(paint: Paint, event: &Event) -> String {
    let text = |name: &str| event.data.get(name).and_then(|value| value.as_str()).map(harmless);
    let said = match (text("title"), text("content")) {
        (Some(title), Some(content)) => format!("{}: {content}", paint.bold(title)),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => harmless(&event.data.to_string()),
    };
    let channel = event.channel.as_deref().unwrap_or("-");
    let late = if event.late { " (late)" } else { "" };
    format!(
        "{}  {:12} {}  {}{late}  {said}",
        paint.faint(event.time),
        harmless(channel),
        harmless(&event.event_type),
        paint.faint(harmless(&event.subject)),
    )
}

/// A frame as the WebSocket carries it.
fn as_json(frame: &Frame) -> serde_json::Value {
    let tagged = |name: &str, value: serde_json::Value| {
        let mut object = serde_json::Map::from_iter([("type".to_owned(), name.into())]);
        if let serde_json::Value::Object(fields) = value {
            object.extend(fields);
        }
        serde_json::Value::Object(object)
    };
    match frame {
        Frame::Ready(ready) => tagged("ready", json!(ready)),
        Frame::Event { cursor, event } => json!({ "type": "event", "cursor": cursor, "event": event }),
        Frame::Signal(signal) => json!({ "type": "event", "event": signal }),
        Frame::Cursor { cursor } => json!({ "type": "cursor", "cursor": cursor }),
        Frame::Digest(digest) => tagged("digest", json!(digest)),
        Frame::TokenExpiring { expires_at } => json!({ "type": "token.expiring", "expires_at": expires_at }),
        Frame::Shutdown { reconnect_ms } => json!({ "type": "shutdown", "reconnect_ms": reconnect_ms }),
        Frame::Reply(reply) => json!({ "type": "reply", "ref": reply.reference }),
        Frame::Unknown { frame_type } => json!({ "type": frame_type }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_cannot_act_on_the_terminal() {
        let event: Event = serde_json::from_value(json!({
            "id": "e", "type": "broadcast.created", "subject": "brd_1", "channel": "role:\u{1b}[2J",
            "time": "2026-01-31T09:30:00Z", "data": { "title": "T\u{7}", "content": "a\nb\u{9b}2J" },
        }))
        .unwrap();
        let line = readable(Paint::stdout(), &event);
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.contains("a\\nb\\u{9b}2J"), "{line}");
    }
}
