//! The hub: who is connected, and who of them a delivery is for.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use tidings_delivery::{
    Delivery, Feed, Person,
    core::{Narrowing, Place},
};
use tidings_model::{Channel, SessionId, UserId};
use tokio_util::sync::CancellationToken;

use crate::{Close, Queue};

/// Which bytes a connection is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Server-sent events.
    Sse,
}

/// One open stream.
#[derive(Debug)]
pub struct Connection {
    id: u64,
    /// Whose it is.
    pub person: Person,
    /// Which device.
    pub session: SessionId,
    /// What it is narrowed to.
    pub narrowing: Narrowing,
    /// Its bytes.
    pub wire: Wire,
    /// What waits for it.
    pub queue: Queue,
}

impl Connection {
    /// Adds a delivery to what waits. A full queue closes the connection; its client resumes.
    fn offer(&self, delivery: &Delivery) {
        if let Err(close) = self.queue.push(self.frame(delivery)) {
            tracing::debug!(connection = self.id, reason = close.reason(), "a delivery found its connection closed");
        }
    }

    /// The frame of a delivery with its cursor, as this connection reads it.
    pub fn frame(&self, delivery: &Delivery) -> Bytes {
        match self.wire {
            Wire::Sse if self.narrowing == Narrowing::NONE => delivery.sse(),
            Wire::Sse => delivery.sse_with(Some(self.narrowing)),
        }
    }
}

/// Everybody who is connected to this process.
#[derive(Debug)]
pub struct Hub {
    next_id: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    // Everything at or before this place was given to the live connections.
    dispatched: Place,
    live: HashMap<Channel, HashMap<u64, Arc<Connection>>>,
    by_user: HashMap<UserId, Vec<Arc<Connection>>>,
    count: usize,
}

impl Hub {
    /// A hub that has given out everything up to `head`.
    pub fn new(head: Place) -> Self {
        Self {
            next_id: AtomicU64::new(1),
            state: Mutex::new(State {
                dispatched: head,
                live: HashMap::new(),
                by_user: HashMap::new(),
                count: 0,
            }),
        }
    }

    /// Enters a connection, if the person has fewer than `limit`. It is given nothing before [`Hub::go_live`].
    pub fn join(
        &self,
        person: Person,
        session: SessionId,
        narrowing: Narrowing,
        wire: Wire,
        queue: Queue,
        limit: usize,
    ) -> Option<Arc<Connection>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let user = person.user_id.clone();
        let connections = state.by_user.entry(user).or_default();
        if connections.len() >= limit {
            return None;
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection { id, person, session, narrowing, wire, queue });
        connections.push(Arc::clone(&connection));
        state.count += 1;
        Some(connection)
    }

    /// Gives a connection all that came after `place` and, from here on, what comes.
    ///
    /// False if the window no longer reaches back that far; the caller reads on and tries again.
    pub fn go_live(&self, connection: &Arc<Connection>, place: Place, feed: &Feed) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(missed) = feed.since(place) else { return false };
        for delivery in missed.iter().filter(|delivery| delivery.place <= state.dispatched) {
            if connection.person.is_addressed(&delivery.record) {
                connection.offer(delivery);
            }
        }
        for channel in &connection.person.channels {
            state
                .live
                .entry(channel.clone())
                .or_default()
                .insert(connection.id, Arc::clone(connection));
        }
        true
    }

    /// Forgets a connection.
    pub fn leave(&self, connection: &Connection) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for channel in &connection.person.channels {
            if let Some(listeners) = state.live.get_mut(channel) {
                listeners.remove(&connection.id);
                if listeners.is_empty() {
                    state.live.remove(channel);
                }
            }
        }
        if let Some(connections) = state.by_user.get_mut(&connection.person.user_id) {
            let before = connections.len();
            connections.retain(|other| other.id != connection.id);
            let left = before - connections.len();
            if connections.is_empty() {
                state.by_user.remove(&connection.person.user_id);
            }
            state.count -= left;
        }
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    /// Whether nobody is connected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends all connections.
    pub fn close_all(&self, close: Close) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for connection in state.by_user.values().flatten() {
            connection.queue.close(close);
        }
    }

    /// Gives out what the feed brings, until `stop`.
    pub async fn run(&self, feed: Arc<Feed>, stop: CancellationToken) {
        let mut head = feed.head();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = head.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
            let upto = *head.borrow_and_update();
            self.dispatch(&feed, upto);
        }
    }

    fn dispatch(&self, feed: &Feed, upto: Place) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(deliveries) = feed.since(state.dispatched) else {
            tracing::error!("the hub fell behind the window; its connections resume");
            for connection in state.by_user.values().flatten() {
                connection.queue.close(Close::Unavailable);
            }
            state.dispatched = upto;
            return;
        };
        for delivery in &deliveries {
            let audience = &delivery.record.audience;
            for (at, channel) in audience.any.iter().enumerate() {
                let Some(listeners) = state.live.get(channel) else { continue };
                for connection in listeners.values() {
                    // Whoever has an earlier channel of the audience got it there.
                    let earlier = audience.any.iter().take(at).any(|channel| connection.person.channels.contains(channel));
                    if !earlier && connection.person.is_addressed(&delivery.record) {
                        connection.offer(delivery);
                    }
                }
            }
        }
        state.dispatched = deliveries.last().map_or(upto, |last| last.place.max(upto));
    }
}
