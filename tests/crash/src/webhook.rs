//! The webhook of a server under test: what it calls is received and kept, some people confirm what others leave, and at
//! the end the calls are compared with what was said, confirmed and left.
//!
//! A person who never confirms is called for, at least once, for each message that was acknowledged. One who confirmed
//! before the message's time is not. Whoever is slower than that may be called for or not: both are right.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Deserialize;
use serde_json::json;
use tidings_client::{Answer, ClientError};
use tidings_model::{Clock as _, Timestamp};
use tidings_tests_receiver::{Call, Receiver, Says, secret};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    field::Field,
    history::Line,
    load::{Load, Shape},
    people::{OPERATOR, Person, Target},
    run::{Run, say},
    server::LeapingClock,
    talk::About,
};

/// How long after it was said a message calls for who has not confirmed it: the least that the settings allow.
const AFTER: Duration = Duration::from_mins(1);
/// From the end of a server's life to the beginning of its next one: what was said in one is due in the next.
pub const LEAP: Duration = AFTER.saturating_add(Duration::from_secs(5));
/// So many calls are answered by chance, all others with 204.
const BY_CHANCE: usize = 5000;
/// One in so many of these fails or gets no answer.
const FAILS_ONE_IN: usize = 20;
/// One person in so many confirms what they have.
const CONFIRMS_ONE_IN: usize = 4;
/// Between two looks of somebody into their inbox, and at the calls.
const LOOK: Duration = Duration::from_millis(200);
/// No call for so long: a life of a server that is alone makes no more of them.
const REST: Duration = Duration::from_secs(5);
/// Lives that may pass until nobody is owed a call.
const LIVES: usize = 3;
/// What a run must have been, to prove something.
const CALLS: usize = 300;

/// So many messages a second, most of them for few. To all are more than one look of the sweep judges, so that some lives
/// end in the middle of a message's audience.
pub fn shape(rate: u32) -> Shape {
    Shape { people: 60, devices: 0, about: About::Broadcasts(Target::mostly_few), ..Shape::restless(rate) }
}

/// A person and a message, by the server's id.
type Pair = (String, String);

/// The receiver of a run.
#[derive(Debug)]
pub struct Hook {
    receiver: Receiver,
    url: String,
    secret: String,
    /// No call for so long: a life makes no more of them.
    pub rest: Duration,
}

impl Hook {
    /// Answers most calls, as chance chooses; those that fail are made again.
    pub async fn start(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let fails = [Says::Status(503), Says::Status(500), Says::Nothing];
        let says: Vec<Says> = (0..BY_CHANCE)
            .map(|_| match random.usize(..FAILS_ONE_IN) {
                0 => random.choice(fails).unwrap_or(Says::Nothing),
                _ => Says::Status(204),
            })
            .collect();
        let receiver = Receiver::start(&says).await;
        let url = receiver.url();
        Self { receiver, url, secret: secret(), rest: REST }
    }

    /// What a server must be told to call it.
    pub fn settings(&self) -> [(&'static str, &str); 6] {
        [
            ("TIDINGS_WEBHOOK__URL", &self.url),
            ("TIDINGS_WEBHOOK__SECRET", &self.secret),
            ("TIDINGS_WEBHOOK__AFTER_MINUTES", "1"),
            ("TIDINGS_WEBHOOK__TIMEOUT_SECS", "1"),
            // Chance never fails a call so often in a row: no call is given up.
            ("TIDINGS_WEBHOOK__RETRY_SECS", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"),
            ("TIDINGS_WEBHOOK__ALLOWED_NETWORKS", "127.0.0.0/8"),
        ]
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.receiver.received()
    }

    /// Ends the load, and lets lives of the server pass until nobody is owed a call. Answers what is wrong.
    pub async fn judge(&self, run: &mut Run, load: &mut Load, confirming: &Confirming) -> Vec<String> {
        load.settle().await;
        for _ in 0..LIVES {
            if uncalled(load.field(), &self.calls()).is_empty() {
                break;
            }
            run.server.kill().expect("the server can be killed");
            run.start(None).await;
            self.pays(load.field()).await;
        }
        let (calls, in_time) = (self.calls(), confirming.in_time());
        let repeats = repeats(&calls);
        say(&format!(
            "webhook: {} messages, {} calls, {repeats} of them repeats; {in_time} confirmed in time",
            load.field().acknowledged_count(),
            calls.len()
        ));
        run.keep();
        assert!(calls.len() >= CALLS && repeats > 0 && in_time > 0, "such a run proves nothing");
        wrong_calls(load.field(), &calls, confirming).expect("the history can be read")
    }

    /// Waits until nobody is owed a call, or no more come.
    async fn pays(&self, field: &Field) {
        let (mut known, mut since) = (self.calls().len(), Instant::now());
        while since.elapsed() < self.rest && !uncalled(field, &self.calls()).is_empty() {
            sleep(LOOK).await;
            let now = self.calls().len();
            if now > known {
                (known, since) = (now, Instant::now());
            }
        }
    }
}

/// People who confirm what they have as soon as they see it in their inbox.
#[derive(Debug)]
pub struct Confirming {
    // Messages that were confirmed, and whether before their time.
    confirmed: Arc<Mutex<BTreeMap<Pair, bool>>>,
    // Aborted when dropped.
    _tasks: JoinSet<()>,
}

/// Whether somebody confirms, or leaves all that is said to them.
fn confirms(at: usize) -> bool {
    at.is_multiple_of(CONFIRMS_ONE_IN)
}

/// Those who leave all that is said to them.
fn absent(field: &Field) -> impl Iterator<Item = &Person> {
    let people = field.people.iter().enumerate();
    people.filter(|(at, _)| !confirms(*at)).map(|(_, person)| person)
}

impl Confirming {
    /// They look until this is dropped, whatever becomes of the server meanwhile.
    pub fn start(field: &Arc<Field>, clock: &LeapingClock) -> Self {
        let confirmed = Arc::default();
        let mut tasks = JoinSet::new();
        for (_, person) in field.people.iter().enumerate().filter(|(at, _)| confirms(*at)) {
            let (field, user, clock) = (Arc::clone(field), person.id.clone(), clock.clone());
            let confirmed = Arc::clone(&confirmed);
            tasks.spawn(async move {
                loop {
                    // A server that is away is asked again.
                    confirm(&field, &user, &clock, &confirmed).await.unwrap_or_default();
                    sleep(LOOK).await;
                }
            });
        }
        Self { confirmed, _tasks: tasks }
    }

    /// How many messages were confirmed before their time, by all of them together.
    pub fn in_time(&self) -> usize {
        lock(&self.confirmed).values().filter(|in_time| **in_time).count()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An inbox, as far as it is looked at.
#[derive(Deserialize)]
struct Inbox {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    created_at: Timestamp,
}

/// Confirms what somebody has and did not confirm yet.
async fn confirm(
    field: &Field,
    user: &str,
    clock: &LeapingClock,
    confirmed: &Mutex<BTreeMap<Pair, bool>>,
) -> Result<(), ClientError> {
    let client = field.caller(user, 0);
    let answer = client.get("/api/v1/inbox?state=pending&limit=200").await.and_then(Answer::success)?;
    let items = answer.json::<Inbox>()?.items;
    if items.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = items.iter().map(|item| item.id.as_str()).collect();
    client.post("/api/v1/receipts", &json!({ "delivered": ids })).await.and_then(Answer::success)?;
    // Its server's clock, or that of the next life, which is later.
    let now = clock.now();
    let mut confirmed = lock(confirmed);
    for item in items {
        let in_time = now < item.created_at.plus(AFTER);
        confirmed.entry((user.to_owned(), item.id)).or_insert(in_time);
    }
    Ok(())
}

/// What must have been called for and was not.
fn uncalled(field: &Field, calls: &[Call]) -> Vec<String> {
    let called: HashSet<(&str, &str)> = calls.iter().map(pair).collect();
    let mut missing = Vec::new();
    for said in field.all_acknowledged() {
        let to = said.target.to(&field.people);
        for person in absent(field).filter(|person| to.contains(&person.id)) {
            if !called.contains(&(&person.id, &said.id)) {
                missing.push(format!("{} was never called for {}", person.id, said.m));
            }
        }
    }
    missing
}

/// How often calls were repeated.
fn repeats(calls: &[Call]) -> usize {
    calls.len() - calls.iter().map(pair).collect::<HashSet<_>>().len()
}

fn pair(call: &Call) -> (&str, &str) {
    (&call.user, call.body.pointer("/data/message_id").and_then(|id| id.as_str()).unwrap_or_default())
}

/// Compares the calls with what was said, confirmed and left. Answers what is wrong.
pub fn wrong_calls(field: &Field, calls: &[Call], confirming: &Confirming) -> io::Result<Vec<String>> {
    let mut wrong = uncalled(field, calls);
    let acknowledged: HashMap<String, String> =
        field.all_acknowledged().into_iter().map(|said| (said.m, said.id)).collect();
    let mut tried = HashMap::new();
    for line in field.history.lines()? {
        if let Line::Try { m, to, .. } = line? {
            tried.insert(m, to);
        }
    }
    let confirmed = lock(&confirming.confirmed);
    let mut ids: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    let mut pairs: HashMap<&str, (&str, &str)> = HashMap::new();
    for call in calls {
        let (user, id) = pair(call);
        ids.entry((user, id)).or_default().insert(&call.id);
        if *pairs.entry(&call.id).or_insert((user, id)) != (user, id) {
            wrong.push(format!("{} calls for two", call.id));
        }
        if confirmed.get(&(user.to_owned(), id.to_owned())) == Some(&true) {
            wrong.push(format!("{user} was called for {id}, which they had confirmed in time"));
        }
        let content = call.body.pointer("/data/content").and_then(|text| text.as_str()).unwrap_or_default();
        let m = content.split(' ').next().unwrap_or_default();
        // The operator is one of all.
        let is_for = |to: &Vec<String>| {
            to.iter().any(|known| known == user) || (user == OPERATOR && to.len() == field.people.len())
        };
        if !tried.get(m).is_some_and(is_for) || acknowledged.get(m).is_some_and(|known| known != id) {
            wrong.push(format!("{user} was called for {m} as {id}, which nobody said to them"));
        }
    }
    for ((user, id), names) in ids.iter().filter(|(_, names)| names.len() > 1) {
        wrong.push(format!("{user} was called for {id} by {} webhook-ids", names.len()));
    }
    Ok(wrong)
}
