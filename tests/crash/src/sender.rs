//! A sender: tries, and tries again with the same key until the answer is definite.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use serde_json::Value;
use tidings_client::{Client, ClientError, Frame, ListenOptions, Reply, Stream, Transport};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, timeout},
};

use crate::{
    field::{Field, Marks},
    history::Line,
    people::Target,
    talk::{Broadcasts, Saying},
};

pub(crate) const BROADCASTS: &str = "/api/v1/broadcasts";
/// How long one send is tried; after that it is a maybe.
const TRYING: Duration = Duration::from_mins(1);
/// How long a stream may take to reply.
const REPLIED: Duration = Duration::from_secs(30);
/// How long a patient sender waits until somebody sees its message.
const SIGHT: Duration = Duration::from_secs(20);

/// How many messages may lie between acceptance and the first sight before the senders slow down: a machine that is
/// too busy for the rate is tormented as fast as it can bear, and the end of the run does not wait for a pile.
const AHEAD: usize = 300;
/// From one message of a sender to its next while it is slowed.
const SLOWED: Duration = Duration::from_secs(1);

/// One of the senders of a run.
#[derive(Debug)]
pub struct Sender {
    /// What all share.
    pub field: Arc<Field>,
    /// Its name: its messages' ids begin with it.
    pub name: String,
    /// From one message to the next.
    pub pause: Duration,
    /// Whether it sends each message only after the one before was seen: then their order is promised.
    pub patient: bool,
}

impl Sender {
    /// Sends until `stop` is true; what is in hand is finished.
    pub async fn run(self, mut stop: watch::Receiver<bool>, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut pace = tokio::time::interval(self.pause);
        pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut epoch = 0;
        for n in 0.. {
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                _ = pace.tick() => {}
            }
            self.field.at_most_unseen(AHEAD, SLOWED).await;
            let m = format!("{}-{n}", self.name);
            let key = if self.patient { format!("{}-epoch-{epoch}", self.name) } else { m.clone() };
            let marks = Marks { m, key, n };
            let saying = self.field.talk.say(&self.field, &marks, self.patient, &mut random);
            if random.u8(..) == 0 {
                self.say_refused(&marks, saying, &mut random).await;
                continue;
            }
            let taken = self.say(&marks, &saying, &mut random).await;
            if self.patient && !(taken && self.waits_for_sight(&marks.m, &mut stop).await) {
                // Nobody saw it, so it promises nothing about the next.
                epoch += 1;
            }
        }
    }

    /// Waits until somebody sees a message, or the sending ends. Answers whether somebody did.
    async fn waits_for_sight(&self, m: &str, stop: &mut watch::Receiver<bool>) -> bool {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => false,
            sees = self.field.somebody_sees(m, SIGHT) => sees,
        }
    }

    /// Sends one broadcast until the server takes it. Answers whether it did.
    pub async fn send(&self, marks: &Marks, target: &Target, random: &mut fastrand::Rng) -> bool {
        self.say(marks, &Broadcasts::to(&self.field, marks, target), random).await
    }

    /// Says something until the server takes it. Answers whether it did.
    async fn say(&self, marks: &Marks, saying: &Saying, random: &mut fastrand::Rng) -> bool {
        self.note_try(marks, saying);
        let Some(answer) = self.post(saying, random).await else { return false };
        let Some(id) = self.id_of(&answer) else {
            self.field.history.note(&Line::Nak { m: marks.m.clone() });
            return false;
        };
        self.field.acknowledged(&marks.m, &id, &saying.target);
        if random.u8(0..20) == 0
            && let Some(again) = self.post(saying, random).await.and_then(|answer| self.id_of(&answer))
        {
            // The same key later gives the one true outcome; the judge compares.
            self.field.history.note(&Line::Ack { m: marks.m.clone(), id: again });
        }
        true
    }

    /// Sends what must be refused, and so must never be delivered.
    async fn say_refused(&self, marks: &Marks, saying: Saying, random: &mut fastrand::Rng) {
        self.note_try(marks, &saying);
        let answer = self.post(&self.field.talk.refused(saying), random).await;
        if answer.is_some_and(|answer| answer.status.is_client_error()) {
            self.field.history.note(&Line::Nak { m: marks.m.clone() });
        }
    }

    fn note_try(&self, marks: &Marks, saying: &Saying) {
        let to = saying.target.to(&self.field.people);
        let (m, key, n) = (marks.m.clone(), marks.key.clone(), marks.n);
        self.field.history.note(&Line::Try { m, key, n, to });
    }

    fn id_of(&self, Outcome { status, body }: &Outcome) -> Option<String> {
        if !status.is_success() {
            return None;
        }
        // Final markers are broadcasts, whatever else is said.
        self.field.talk.id(body).or_else(|| Some(body.get("id")?.as_str()?.to_owned()))
    }

    /// Posts until the answer is definite. An answer that says "not now", a cut, no connection: once more.
    async fn post(&self, saying: &Saying, random: &mut fastrand::Rng) -> Option<Outcome> {
        let until = Instant::now() + TRYING;
        // Another node each time: one of them may be dead.
        let mut node = random.usize(..64);
        while Instant::now() < until {
            node += 1;
            let client = self.field.caller(&saying.by, node);
            let outcome = match &saying.command {
                // What was said one way may be repeated the other way.
                Some(command) if random.u8(0..4) == 0 => {
                    let outcome = on_a_stream(client, command).await;
                    self.field.replied(outcome.is_ok());
                    outcome
                }
                _ => over_http(client, saying).await,
            };
            if let Ok(outcome) = outcome
                && is_definite(outcome.status)
            {
                return Some(outcome);
            }
            tokio::time::sleep(Duration::from_millis(random.u64(20..150))).await;
        }
        None
    }
}

/// What became of one try.
#[derive(Debug)]
struct Outcome {
    status: StatusCode,
    body: Value,
}

async fn over_http(client: &Client, saying: &Saying) -> Result<Outcome, ClientError> {
    let Saying { path, key, body, .. } = saying;
    let answer = match key {
        Some(key) => client.post_once(path, key, body).await?,
        None => client.post(path, body).await?,
    };
    Ok(Outcome { status: answer.status, body: answer.json()? })
}

/// Says it on a stream of its own, and waits for the reply.
async fn on_a_stream(client: &Client, command: &Value) -> Result<Outcome, ClientError> {
    let options = ListenOptions { transport: Transport::WebSocket, ..ListenOptions::default() };
    let mut stream = client.listen(&options).await?;
    stream.command(command).await?;
    let late = |_elapsed| ClientError::Timeout { after: REPLIED };
    let outcome = match timeout(REPLIED, reply(&mut stream)).await.map_err(late)??.outcome {
        Ok(body) => Outcome { status: StatusCode::CREATED, body },
        Err(body) => {
            let status = body.get("status").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
            let status = status.and_then(|code| StatusCode::from_u16(code).ok());
            Outcome { status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body }
        }
    };
    stream.close().await.unwrap_or_default();
    Ok(outcome)
}

async fn reply(stream: &mut Stream) -> Result<Reply, ClientError> {
    loop {
        if let Frame::Reply(reply) = stream.next().await? {
            return Ok(reply);
        }
    }
}

fn is_definite(status: StatusCode) -> bool {
    let in_flight = [StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT];
    !status.is_server_error() && !in_flight.contains(&status)
}
