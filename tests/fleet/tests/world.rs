//! What the tests of this suite share: somebody who sends without a pause, and devices that come back by themselves.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tidings_client::{Frame, ListenOptions, Listener, Waits};
use tidings_testkit::Person;
use tokio::task::JoinSet;

/// How long what was broken may take to be whole again: the session of a killed member among it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
/// The pause between two messages, and before an answer that failed is asked for again.
const PAUSE: Duration = Duration::from_millis(50);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Looks until `look` finds something; panics with `what` when `limit` is over.
pub(crate) async fn within<T>(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(limit, found).await.unwrap_or_else(|_| panic!("not within {limit:?}: {what}"))
}

/// Somebody who sends one message after the other and asks again, under the same key, until each is taken.
pub(crate) struct Sender {
    taken: Arc<Mutex<Vec<Sent>>>,
    // Ends with it.
    _task: JoinSet<()>,
}

/// A message that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) content: String,
}

impl Sender {
    pub(crate) fn start(person: Person) -> Self {
        let taken = Arc::<Mutex<Vec<Sent>>>::default();
        let kept = Arc::clone(&taken);
        let mut task = JoinSet::new();
        task.spawn(async move {
            for number in 0_u32.. {
                let content = format!("message {number}");
                let body = json!({ "content": content, "target": { "type": "all" } });
                let id = loop {
                    let answer = person.client.post_once("/api/v1/broadcasts", &content, &body).await;
                    let taken = answer.ok().filter(|answer| answer.status.is_success());
                    if let Some(Ok(taken)) = taken.map(|answer| answer.json::<Value>()) {
                        break taken["id"].as_str().unwrap_or_default().to_owned();
                    }
                    tokio::time::sleep(PAUSE).await;
                };
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(Sent { id, content });
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { taken, _task: task }
    }

    /// What was taken so far.
    pub(crate) fn taken(&self) -> Vec<Sent> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many more were taken.
    pub(crate) async fn takes(&self, more: usize) {
        let wanted = self.taken().len() + more;
        let what = format!("{more} more messages are taken");
        within(PATIENCE, &what, async || (self.taken().len() >= wanted).then_some(())).await;
    }

    /// Ends, and answers what was taken. What was asked for and not answered may come all the same.
    pub(crate) fn stop(self) -> Vec<Sent> {
        self.taken()
    }
}

/// A device that comes back by itself and notes what it shows.
pub(crate) struct Screen {
    shown: Arc<Mutex<Vec<String>>>,
    // Ends with it.
    _task: JoinSet<()>,
}

impl Screen {
    pub(crate) fn open(person: &Person, session: &str) -> Self {
        let options = ListenOptions {
            session: Some(session.parse().expect("a session id")),
            ..ListenOptions::default()
        };
        let waits = Waits { first: PAUSE, max: Duration::from_secs(1) };
        let mut listener = Listener::new(person.client.clone(), options, waits, fastrand::u64(..));
        let shown = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&shown);
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                let frame = listener.next().await.expect("a listener comes back by itself");
                let Frame::Event { event, .. } = frame else { continue };
                let data = serde_json::to_value(&event.data).expect("JSON");
                let content = data["content"].as_str().unwrap_or_default().to_owned();
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(content);
            }
        });
        Self { shown, _task: task }
    }

    /// What it showed so far, in order.
    pub(crate) fn shown(&self) -> Vec<String> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has shown this.
    pub(crate) async fn shows(&self, content: &str) {
        let what = format!("a device shows `{content}`");
        within(PATIENCE, &what, async || self.shown().iter().any(|shown| shown == content).then_some(()))
            .await;
    }
}
