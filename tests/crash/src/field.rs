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
    people::{OPERATOR, Person, Target, operator_token},
    talk::{Broadcasts, Talk, Told},
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
    /// What is said.
    pub talk: Box<dyn Talk>,
    // By user id, one client for each node.
    callers: HashMap<String, Vec<Client>>,
    /// Chooses everything that chance chooses.
    pub seed: u64,
    /// Letters that each message carries beside its marks.
    pub padding: String,
    /// Set when no device cuts its stream any more.
    pub calm: AtomicBool,
    began: Instant,
    views: AtomicU64,
    replies: AtomicU64,
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
    /// How many people that is.
    people: usize,
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
        let clients = |token: String| {
            let client = |base: &String| Client::new(base, Some(&token)).expect("the base is a URL");
            bases.iter().map(client).collect()
        };
        let mut callers: HashMap<String, Vec<Client>> =
            people.iter().map(|person| (person.id.clone(), clients(person.token()))).collect();
        callers.insert(OPERATOR.to_owned(), clients(operator_token()));
        Self {
            history,
            people,
            name: name.to_owned(),
            talk: Box::new(Broadcasts { aim: Target::choose }),
            callers,
            seed,
            padding: String::new(),
            calm: AtomicBool::new(false),
            began: Instant::now(),
            views: AtomicU64::new(0),
            replies: AtomicU64::new(0),
            board: Mutex::default(),
            posted: Notify::new(),
        }
    }

    /// Calls one of the nodes as the operator; counting goes on with the first after the last.
    pub fn operator(&self, at: usize) -> &Client {
        self.caller(OPERATOR, at)
    }

    /// The same as one of the people.
    pub fn caller(&self, user: &str, at: usize) -> &Client {
        let clients = self.clients(user);
        clients.get(at % clients.len().max(1)).expect("there is a node")
    }

    /// What somebody calls each node with.
    pub fn clients(&self, user: &str) -> &[Client] {
        self.callers.get(user).map(Vec::as_slice).unwrap_or_default()
    }

    /// What an event is: final markers are broadcasts, whatever else is said.
    pub fn told(&self, event: &Event) -> Option<Told> {
        let told = self.talk.told(event);
        told.or_else(|| Some(Told::Message(Broadcasts::marks(event)?, event.subject.clone())))
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
    pub fn seen(&self, event: &Event, marks: &Marks) {
        self.views.fetch_add(1, Ordering::Relaxed);
        let sent_at = event.data.pointer("/data/sent_at").and_then(Value::as_u64).map(Duration::from_micros);
        let mut board = self.board();
        board.latencies.extend(sent_at.map(|sent_at| self.began.elapsed().saturating_sub(sent_at)));
        let sights = board.sights.entry(marks.m.clone()).or_default();
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

    /// Notes whether a stream replied to what was said on it.
    pub fn replied(&self, replied: bool) {
        self.replies.fetch_add(u64::from(replied), Ordering::Relaxed);
    }

    /// How often a stream replied to what was said on it.
    pub fn replies(&self) -> u64 {
        self.replies.load(Ordering::Relaxed)
    }

    /// How long messages took, from send to sight, since this was asked last.
    pub fn take_latencies(&self) -> Vec<Duration> {
        std::mem::take(&mut self.board().latencies)
    }

    /// Whether all that was taken was seen by everybody it is for, on so many devices of each.
    pub fn all_is_seen(&self, devices: usize) -> bool {
        let board = self.board();
        board.acknowledged.iter().all(|message| {
            // A device that is not told the sender's id knows it by the server's.
            let names = [&message.m, &message.id];
            let seen: usize = names.iter().filter_map(|name| board.sights.get(*name)).sum();
            seen >= message.people * devices
        })
    }

    /// Notes that the server took a message.
    pub fn acknowledged(&self, m: &str, id: &str, target: &Target) {
        self.history.note(&Line::Ack { m: m.to_owned(), id: id.to_owned() });
        let people = target.to(&self.people).len();
        let acknowledged =
            Acknowledged { m: m.to_owned(), id: id.to_owned(), target: target.clone(), people };
        self.board().acknowledged.push(acknowledged);
    }

    /// How many messages the server took.
    pub fn acknowledged_count(&self) -> usize {
        self.board().acknowledged.len()
    }

    /// All messages that the server took.
    pub fn all_acknowledged(&self) -> Vec<Acknowledged> {
        self.board().acknowledged.clone()
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
