//! The hub: who is connected, and who of them a delivery may be for.
//!
//! A stream that is still catching up is shown every record, so that none passes it by; a live one is shown the
//! records of its channels. Whether it is sent one, the verdict decides.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tidings_delivery::{Delivery, Listener, SignalFrame, core::Generations, core::Place};
use tidings_model::{Channel, Clock, UserId};
use tidings_telemetry::DeliveryPushed;
use tokio::sync::{Notify, watch};

use crate::{Close, connection::Connection};

/// Everybody who is connected to this process.
#[derive(Debug)]
pub struct Hub {
    next_id: AtomicU64,
    generations: watch::Receiver<Arc<Generations>>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    // Tells streams that wait for the tail that it moved.
    moved: Notify,
}

#[derive(Debug)]
struct State {
    // Everything at or before this place was shown to the connections.
    shown: Place,
    catching_up: HashMap<u64, Arc<Connection>>,
    live: HashMap<Channel, HashMap<u64, Arc<Connection>>>,
    by_user: HashMap<UserId, Vec<Arc<Connection>>>,
    // Who came or went, until somebody asks.
    came_or_went: BTreeSet<UserId>,
    count: usize,
}

impl Hub {
    /// A hub that begins behind `head`.
    pub fn new(head: Place, generations: watch::Receiver<Arc<Generations>>, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            shown: head,
            catching_up: HashMap::new(),
            live: HashMap::new(),
            by_user: HashMap::new(),
            came_or_went: BTreeSet::new(),
            count: 0,
        };
        Self {
            next_id: AtomicU64::new(1),
            generations,
            clock,
            state: Mutex::new(state),
            moved: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a new connection.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Enters a connection, if its person has fewer than `limit`; `make` is told the place behind which it is
    /// shown everything.
    pub(crate) fn join(
        &self,
        user: &UserId,
        limit: usize,
        make: impl FnOnce(Place) -> Connection,
    ) -> Option<Arc<Connection>> {
        let mut state = self.state();
        if state.by_user.get(user).map_or(0, Vec::len) >= limit {
            return None;
        }
        let connection = Arc::new(make(state.shown));
        state.catching_up.insert(connection.id, Arc::clone(&connection));
        let open = state.by_user.entry(user.clone()).or_default();
        open.push(Arc::clone(&connection));
        if open.len() == 1 {
            state.came_or_went.insert(user.clone());
        }
        state.count += 1;
        Some(connection)
    }

    /// Moves a connection whose stream is live to its channels.
    pub(crate) fn settle(&self, connection: &Arc<Connection>) {
        let mut state = self.state();
        let channels: Vec<Channel> = {
            let stream = connection.stream();
            if !stream.is_live() {
                return;
            }
            stream.channels()
        };
        if state.catching_up.remove(&connection.id).is_some() {
            state.listen(connection, &channels);
        }
    }

    /// Forgets a connection.
    pub fn leave(&self, connection: &Connection) {
        let mut state = self.state();
        state.catching_up.remove(&connection.id);
        let channels: Vec<Channel> = connection.stream().channels();
        state.forget(connection.id, &channels);
        let Some(connections) = state.by_user.get_mut(&connection.user) else { return };
        let before = connections.len();
        connections.retain(|other| other.id != connection.id);
        let left = before - connections.len();
        if connections.is_empty() {
            state.by_user.remove(&connection.user);
            state.came_or_went.insert(connection.user.clone());
        }
        state.count -= left;
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.state().count
    }

    /// Whether nobody is connected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everybody, for what concerns all: heartbeats, drain.
    pub fn connections(&self) -> Vec<Arc<Connection>> {
        self.state().by_user.values().flatten().cloned().collect()
    }

    /// The connections of one person.
    pub fn of(&self, user: &UserId) -> Vec<Arc<Connection>> {
        self.state().by_user.get(user).cloned().unwrap_or_default()
    }

    /// The people who are connected, with how many connections each has.
    pub fn people(&self) -> Vec<(UserId, u64)> {
        let state = self.state();
        state.by_user.iter().map(|(user, open)| (user.clone(), open.len() as u64)).collect()
    }

    /// Shows a signal to who listens to its channel now.
    pub fn signal(&self, signal: &SignalFrame) {
        let mut listeners = HashMap::new();
        {
            let state = self.state();
            for (id, connection) in
                signal.channels().iter().filter_map(|channel| state.live.get(channel)).flatten()
            {
                if signal.is_for(&connection.user) {
                    listeners.entry(*id).or_insert_with(|| Arc::clone(connection));
                }
            }
        }
        for connection in listeners.values() {
            connection.signal(signal);
        }
    }

    /// Who came or went since the last call: their first stream here opened, or the last one closed.
    pub fn take_came_or_went(&self) -> BTreeSet<UserId> {
        std::mem::take(&mut self.state().came_or_went)
    }

    /// Who is to be among the next of them all the same.
    pub fn put_came_or_went(&self, people: impl IntoIterator<Item = UserId>) {
        self.state().came_or_went.extend(people);
    }

    /// The place up to which everything was shown.
    pub fn shown(&self) -> Place {
        self.state().shown
    }

    /// Resolves when more was shown, or after `limit`.
    pub(crate) async fn shown_moves(&self, limit: Duration) {
        // Either way the caller looks again.
        drop(tokio::time::timeout(limit, self.moved.notified()).await);
    }
}

impl State {
    fn listen(&mut self, connection: &Arc<Connection>, channels: &[Channel]) {
        for channel in channels {
            self.live.entry(channel.clone()).or_default().insert(connection.id, Arc::clone(connection));
        }
    }

    fn forget(&mut self, id: u64, channels: &[Channel]) {
        for channel in channels {
            if let Some(listeners) = self.live.get_mut(channel) {
                listeners.remove(&id);
                if listeners.is_empty() {
                    self.live.remove(channel);
                }
            }
        }
    }

    /// The live connections of people whose channels change listen to other ones from here on; those of people who
    /// may not come in any more end.
    fn resubscribe(&mut self, delivery: &Delivery) {
        for change in delivery.changes() {
            for connection in self.by_user.get(&change.user_id).cloned().unwrap_or_default() {
                if change.shuts_out() {
                    connection.outlet.close(Close::Expired);
                }
                if !self.catching_up.contains_key(&connection.id) {
                    self.forget(connection.id, &change.left);
                    self.listen(&connection, &change.joined);
                }
            }
        }
    }

    /// The live connections that a delivery may be for, each once.
    fn show(&self, delivery: &Delivery, mut show: impl FnMut(&Arc<Connection>)) {
        let any = &delivery.facts().audience.any;
        if let [channel] = any.as_slice() {
            self.live.get(channel).into_iter().flat_map(HashMap::values).for_each(show);
            return;
        }
        let mut seen = std::collections::HashSet::new();
        for channel in any {
            for (id, connection) in self.live.get(channel).into_iter().flatten() {
                if seen.insert(*id) {
                    show(connection);
                }
            }
        }
    }
}

impl Listener for Hub {
    fn take(&self, deliveries: &[Delivery], head: Place) {
        let now = self.clock.now();
        let generations = Arc::clone(&self.generations.borrow());
        let mut state = self.state();
        let mut settled = Vec::new();
        for delivery in deliveries {
            for connection in state.catching_up.values() {
                if connection.tailed(delivery, &generations, now) {
                    settled.push(Arc::clone(connection));
                }
            }
            let mut connections = 0;
            state.show(delivery, |connection| {
                connection.tailed(delivery, &generations, now);
                connections += 1;
            });
            state.resubscribe(delivery);
            pushed(delivery, connections);
        }
        state.shown = head;
        drop(state);
        self.moved.notify_waiters();
        for connection in settled {
            self.settle(&connection);
        }
    }

    fn begin_anew(&self, head: Place) {
        self.state().shown = head;
        self.moved.notify_waiters();
        for connection in self.connections() {
            connection.outlet.close(Close::InsufficientState);
        }
    }
}

/// Tells that a delivery was shown to so many live connections.
fn pushed(delivery: &Delivery, connections: usize) {
    let facts = delivery.facts();
    DeliveryPushed {
        trace_parent: delivery.trace_parent(),
        event_id: facts.event_id.as_str(),
        frame_type: delivery.frame_type(),
        subject: &facts.subject,
        place: facts.place.0,
        connections,
    }
    .emit();
}
