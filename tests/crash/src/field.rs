//! What all tasks of a run share: the history, who there is, what was seen, when to calm down.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tidings_client::{Client, Event};
use tokio::{sync::Notify, time::timeout};

use crate::{
    history::{History, Line},
    people::{Person, Target, operator_token},
};

/// The shared part of a run.
#[derive(Debug)]
pub struct Field {
    /// What happens, line by line.
    pub history: History,
    /// Who listens.
    pub people: Vec<Person>,
    /// What this load is called: its messages' ids begin with it, so that no two loads share one.
    pub name: String,
    /// Where each node is.
    pub bases: Vec<String>,
    operators: Vec<Client>,
    /// Chooses everything that chance chooses.
    pub seed: u64,
    /// Letters that each message carries beside its marks.
    pub padding: String,
    /// Set when no device cuts its stream any more.
    pub calm: AtomicBool,
    began: Instant,
    views: AtomicU64,
    board: Mutex<Board>,
    posted: Notify,
}

#[derive(Debug, Default)]
struct Board {
    // Message → devices that showed it.
    sights: HashMap<String, usize>,
    acknowledged: Vec<Acknowledged>,
    latencies: Vec<Duration>,
}

/// A message that the server took.
#[derive(Clone, Debug)]
pub struct Acknowledged {
    /// The sender's own id.
    pub m: String,
    /// The server's id.
    pub id: String,
    /// Whom it is for.
    pub target: Target,
}

/// What a message carries so that it is known again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    /// The sender's own id.
    pub m: String,
    /// Its key.
    pub key: String,
    /// Its place within the key.
    pub n: u64,
}

impl Field {
    /// The field of a run against these nodes, of which there is one at least.
    pub fn new(history: History, name: &str, people: Vec<Person>, bases: &[String], seed: u64) -> Self {
        let token = operator_token();
        let client = |base: &String| Client::new(base, Some(&token)).expect("the base is a URL");
        Self {
            history,
            people,
            name: name.to_owned(),
            bases: bases.to_vec(),
            operators: bases.iter().map(client).collect(),
            seed,
            padding: String::new(),
            calm: AtomicBool::new(false),
            began: Instant::now(),
            views: AtomicU64::new(0),
            board: Mutex::default(),
            posted: Notify::new(),
        }
    }

    /// Calls one of the nodes as the operator; counting goes on with the first after the last.
    pub fn operator(&self, at: usize) -> &Client {
        self.operators.get(at % self.operators.len().max(1)).expect("there is a node")
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The message that says to a person's devices that nothing comes after it.
    pub fn final_marker(&self, user: &str) -> String {
        format!("{}-final-{user}", self.name)
    }

    /// The `data` of a message.
    pub fn data(&self, marks: &Marks) -> Value {
        let sent_at = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        json!({ "m": marks.m, "key": marks.key, "n": marks.n, "sent_at": sent_at })
    }

    /// Notes that a person sees a message now.
    pub fn seen(&self, event: &Event) {
        self.views.fetch_add(1, Ordering::Relaxed);
        let sent_at = event.data.pointer("/data/sent_at").and_then(Value::as_u64).map(Duration::from_micros);
        let Some(Marks { m, .. }) = Marks::of(event) else { return };
        let mut board = self.board();
        board.latencies.extend(sent_at.map(|sent_at| self.began.elapsed().saturating_sub(sent_at)));
        let sights = board.sights.entry(m).or_default();
        *sights += 1;
        let is_new = *sights == 1;
        drop(board);
        if is_new {
            self.posted.notify_waiters();
        }
    }

    /// Waits until no more than `count` messages were taken and seen by nobody, at most `limit`.
    pub async fn at_most_unseen(&self, count: usize, limit: Duration) {
        let looking = async {
            loop {
                let posted = self.posted.notified();
                let unseen = {
                    let board = self.board();
                    board.acknowledged.len().saturating_sub(board.sights.len())
                };
                if unseen <= count {
                    return;
                }
                posted.await;
            }
        };
        // What is lost is never seen; the senders go on without it.
        timeout(limit, looking).await.unwrap_or_default();
    }

    /// Waits until somebody sees a message, at most `limit`. Answers whether somebody does.
    pub async fn somebody_sees(&self, m: &str, limit: Duration) -> bool {
        let looking = async {
            loop {
                let posted = self.posted.notified();
                if self.board().sights.contains_key(m) {
                    return;
                }
                posted.await;
            }
        };
        timeout(limit, looking).await.is_ok()
    }

    /// How many devices showed a message so far.
    pub fn sights(&self, m: &str) -> usize {
        self.board().sights.get(m).copied().unwrap_or_default()
    }

    /// How much was seen so far, by all devices together.
    pub fn views(&self) -> u64 {
        self.views.load(Ordering::Relaxed)
    }

    /// How long messages took, from send to sight, since this was asked last.
    pub fn take_latencies(&self) -> Vec<Duration> {
        std::mem::take(&mut self.board().latencies)
    }

    /// Notes that the server took a message.
    pub fn acknowledged(&self, m: &str, id: &str, target: &Target) {
        self.history.note(&Line::Ack { m: m.to_owned(), id: id.to_owned() });
        let acknowledged = Acknowledged { m: m.to_owned(), id: id.to_owned(), target: target.clone() };
        self.board().acknowledged.push(acknowledged);
    }

    /// How many messages the server took.
    pub fn acknowledged_count(&self) -> usize {
        self.board().acknowledged.len()
    }

    /// Some of the messages that the server took, by chance.
    pub fn sample(&self, count: usize, random: &mut fastrand::Rng) -> Vec<Acknowledged> {
        random.choose_multiple(self.board().acknowledged.iter().cloned(), count)
    }

    /// Whether the run has come to rest.
    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }
}

impl Marks {
    /// What an event carries; none if it is not a message of a run.
    pub fn of(event: &Event) -> Option<Self> {
        let text = |key: &str| Some(event.data.pointer(key)?.as_str()?.to_owned());
        Some(Self {
            m: text("/data/m")?,
            key: text("/data/key")?,
            n: event.data.pointer("/data/n")?.as_u64()?,
        })
    }
}
