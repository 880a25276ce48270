//! A conversation as it goes on: what comes is shown, what is typed is said, and what was shown is read.

use std::{
    future::{Future, pending},
    pin::Pin,
    time::Duration,
};

use serde_json::{Value, json};
use tidings_client::{Answer, Client, ClientError, Frame, Listener, Waits};
use tidings_model::ConversationId;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep, sleep_until},
};

use super::{Message, Page, Told, lines::Lines, screen::Screen};
use crate::{
    commands::listen::refused,
    failure::Failure,
    reach,
    terminal::{remark, say, say_json},
};

/// How long a message may be shown before its sender is told: those that come close together are read with one word.
const READ: Duration = Duration::from_millis(200);
/// How often a line is said at most: some minutes of trying.
const TRIES: u32 = 12;
/// Messages of a page.
const PAGE: usize = 200;
/// Messages that are caught up on after a cut; of more, the newest.
const MISSED: usize = 2000;

type Saying = Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

/// A conversation.
pub(super) struct Talk {
    client: Client,
    id: ConversationId,
    path: String,
    screen: Screen,
    json: bool,
    /// What this start calls its messages: a name that nobody else gives, and a number.
    named: String,
    count: u64,
    random: fastrand::Rng,
    /// When those who were heard are told that they were read.
    read_at: Option<Instant>,
    /// Up to which message that is.
    read: Option<tidings_model::MessageId>,
}

impl Talk {
    pub(super) fn new(
        client: Client,
        id: ConversationId,
        (screen, json): (Screen, bool),
        (named, seed): (String, u64),
    ) -> Self {
        let (path, random) = (format!("/api/v1/conversations/{id}"), fastrand::Rng::with_seed(seed));
        Self { client, id, path, screen, json, named, count: 0, random, read_at: None, read: None }
    }

    /// Goes on until there is nothing more to say, or somebody interrupts.
    pub(super) async fn run(
        mut self,
        mut listener: Listener,
        mut lines: Lines,
        last: usize,
    ) -> Result<(), Failure> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        // A server that is not there is told at once, not waited for.
        let page: Page<Message> =
            reach::get(&self.client, &format!("{}/messages?limit={last}", self.path)).await?;
        self.show(page.items)?;
        let (mut saying, mut over) = (None::<Saying>, false);
        while !(over && saying.is_none()) {
            let listens = saying.is_none() && !over;
            let said = async {
                match saying.as_mut() {
                    Some(saying) => saying.await,
                    None => pending().await,
                }
            };
            let due = async {
                match self.read_at {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                frame = listener.next() => self.take(&frame.map_err(refused)?).await?,
                said = said => {
                    saying = None;
                    self.said(said).await?;
                }
                line = lines.next(), if listens => match line.transpose()? {
                    Some(line) if line.is_empty() => {}
                    Some(line) => saying = Some(self.say(&line)),
                    None => over = true,
                },
                () = due => self.tell_read().await?,
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
            }
        }
        self.tell_read().await?;
        if saying.is_some() {
            return Err(Failure::new(
                "ended before the server answered; whether the last line was said is unknown",
            ));
        }
        Ok(())
    }

    /// Says a line under one name until it is answered.
    fn say(&mut self, content: &str) -> Saying {
        self.count += 1;
        let body = json!({ "content": content, "client_id": format!("{}-{}", self.named, self.count) });
        let (client, path) = (self.client.clone(), format!("{}/messages", self.path));
        Box::pin(until_answered(client, path, body, self.random.fork()))
    }

    /// A line was answered. In a terminal a person goes on; a script must know.
    async fn said(&mut self, said: Result<(), Failure>) -> Result<(), Failure> {
        match said {
            // It may be shown already, by its event.
            Ok(()) => self.catch_up().await,
            Err(why) if self.screen.is_typed() => {
                remark(format!("not said: {}", why.message()));
                Ok(())
            }
            Err(why) => Err(why),
        }
    }

    async fn take(&mut self, frame: &Frame) -> Result<(), Failure> {
        match frame {
            // What was missed, and how far one's own messages came meanwhile.
            Frame::Ready(_) => self.catch_up().await,
            Frame::Event { event, .. } if event.data["conversation_id"] == json!(self.id) => {
                match event.event_type.as_str() {
                    "message.created" => {
                        let message: Message = documented(&event.data)?;
                        if message.seq > self.screen.seq() + 1 {
                            return self.catch_up().await;
                        }
                        self.show(vec![message])
                    }
                    "message.status" => {
                        let told: Told = documented(&event.data)?;
                        let lines = self.screen.status(&told);
                        if self.json {
                            return say_json(&json!({ "type": "message.status", "data": told }));
                        }
                        lines.into_iter().try_for_each(say)
                    }
                    _other => Ok(()),
                }
            }
            Frame::TokenExpiring { expires_at } => {
                remark(format!("the token ends at {expires_at}; start again with a new one"));
                Ok(())
            }
            Frame::Shutdown { .. } => {
                remark("the server stops; waiting for it to come back");
                Ok(())
            }
            Frame::Event { .. }
            | Frame::Signal(_)
            | Frame::Cursor { .. }
            | Frame::Digest(_)
            | Frame::Reply(_)
            | Frame::Unknown { .. } => Ok(()),
        }
    }

    /// Shows what the history has and nobody has seen here. A cut is no failure: it is asked for again after the next
    /// `ready`.
    async fn catch_up(&mut self) -> Result<(), Failure> {
        let (mut missed, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let after = cursor
                .as_deref()
                .map_or_else(String::new, |cursor| format!("&cursor={}", reach::segment(cursor)));
            let path = format!("{}/messages?limit={PAGE}{after}", self.path);
            let page: Page<Message> = match self.client.get(&path).await.and_then(Answer::success) {
                Ok(answer) => answer.json()?,
                Err(cause) if cause.may_reconnect() => return Ok(()),
                Err(cause) => return Err(refused(cause)),
            };
            let reached = page.items.last().is_none_or(|oldest| oldest.seq <= self.screen.seq() + 1);
            missed.extend(page.items);
            cursor = page.next_cursor;
            if reached || cursor.is_none() {
                break;
            }
            if missed.len() >= MISSED {
                remark("more was said than is shown here");
                break;
            }
        }
        self.show(missed)
    }

    /// Shows messages, the newest of which comes first.
    fn show(&mut self, newest_first: Vec<Message>) -> Result<(), Failure> {
        for message in newest_first.into_iter().rev() {
            let fresh = message.seq > self.screen.seq();
            let lines = self.screen.message(&message);
            if self.json && fresh {
                say_json(&json!({ "type": "message.created", "data": message }))?;
            } else if !self.json {
                lines.into_iter().try_for_each(say)?;
            }
        }
        if let Some(heard) = self.screen.heard() {
            self.read = Some(heard);
            self.read_at = Some(Instant::now() + READ);
        }
        Ok(())
    }

    /// Tells who was heard that they were read. What could not be told is told after what is heard next.
    async fn tell_read(&mut self) -> Result<(), Failure> {
        self.read_at = None;
        let Some(up_to) = self.read else { return Ok(()) };
        let told = self.client.post(&format!("{}/read", self.path), &json!({ "up_to": up_to })).await;
        match told.and_then(Answer::success) {
            Ok(_told) => self.read = None,
            Err(cause) if cause.may_reconnect() => {}
            Err(cause) => return Err(refused(cause)),
        }
        Ok(())
    }
}

/// Sends a message until it is answered: the same name is the same message.
async fn until_answered(
    client: Client,
    path: String,
    body: Value,
    mut random: fastrand::Rng,
) -> Result<(), Failure> {
    let waits = Waits::default();
    let mut attempt = 0;
    loop {
        let Err(why) = client.post(&path, &body).await.and_then(Answer::success) else { return Ok(()) };
        attempt += 1;
        if !why.may_reconnect() || attempt == TRIES {
            return Err(reach::unreached(&client, why));
        }
        sleep(waits.before(attempt - 1, why.retry_after(), &mut random)).await;
    }
}

fn documented<T: serde::de::DeserializeOwned>(data: &Value) -> Result<T, Failure> {
    T::deserialize(data).map_err(|cause| ClientError::Undocumented { what: cause.to_string() }.into())
}
