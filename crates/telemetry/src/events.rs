//! Events that are worth telling: each has one sentence, one level, and the number that it moves.

use std::{error::Error, time::Duration};

use crate::Metrics;

/// A request was answered.
#[derive(Clone, Copy, Debug)]
pub struct RequestAnswered<'a> {
    /// GET, POST, …
    pub method: &'a str,
    /// The route as the reference names it; `none` where no route took it.
    pub route: &'a str,
    /// The answer's status.
    pub status: u16,
    /// How long it took until the answer's head was ready.
    pub took: Duration,
}

impl RequestAnswered<'_> {
    /// Counts it and tells it.
    pub fn emit(self, metrics: &Metrics) {
        metrics.request(self.method, self.route, self.status, self.took);
        let ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(
            method = self.method,
            route = self.route,
            status = self.status,
            ms,
            "answered a request"
        );
    }
}

/// A route panicked: our fault, and somebody should look.
#[derive(Clone, Copy, Debug)]
pub struct RoutePanicked;

impl RoutePanicked {
    /// Counts it and tells it.
    pub fn emit(self, metrics: &Metrics) {
        metrics.panics.inc();
        tracing::error!("a route panicked; its request was answered with 500");
    }
}

/// A token did not hold.
#[derive(Clone, Copy, Debug)]
pub struct TokenRefused<'a> {
    /// Why not; the caller is not told.
    pub cause: &'a dyn Error,
}

impl TokenRefused<'_> {
    /// Tells it. It is no news by itself: clients come back with tokens that are over.
    pub fn emit(self) {
        tracing::debug!(cause = %self.cause, "refused a token");
    }
}

/// The database could not do what a request asked for; it may soon.
#[derive(Clone, Copy, Debug)]
pub struct DatabaseAway<'a> {
    /// What it said.
    pub cause: &'a dyn Error,
}

impl DatabaseAway<'_> {
    /// Tells it.
    pub fn emit(self) {
        tracing::warn!(cause = %self.cause, "the database is away");
    }
}

/// A topic is not as its settings want it.
#[derive(Clone, Copy, Debug)]
pub struct TopicDrifts<'a> {
    /// The topic.
    pub topic: &'a str,
    /// What differs, as a sentence.
    pub what: &'a str,
}

impl TopicDrifts<'_> {
    /// Tells it.
    pub fn emit(self) {
        tracing::warn!(
            topic = self.topic,
            what = self.what,
            "a topic differs from its settings; it stays as it is"
        );
    }
}

/// The delivery feed ended: nobody is shown anything new by this process.
#[derive(Clone, Copy, Debug)]
pub struct FeedEnded<'a> {
    /// Why.
    pub cause: &'a dyn Error,
}

impl FeedEnded<'_> {
    /// Tells it.
    pub fn emit(self) {
        tracing::error!(cause = %self.cause, "the delivery feed ended");
    }
}

/// A consumer ended: the records of its topics wait.
#[derive(Clone, Copy, Debug)]
pub struct ConsumerEnded<'a> {
    /// Its group.
    pub group: &'a str,
    /// Why.
    pub cause: &'a dyn Error,
}

impl ConsumerEnded<'_> {
    /// Tells it.
    pub fn emit(self) {
        tracing::error!(group = self.group, cause = %self.cause, "a consumer ended");
    }
}

/// A delivery was shown to the connections of this process: the last that its trace is told of here.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryPushed<'a> {
    /// The trace of the request that caused it, as W3C `traceparent`; none where nobody asked for it.
    pub trace_parent: Option<&'a str>,
    /// The event.
    pub event_id: &'a str,
    /// The frame's type: `broadcast.created`.
    pub frame_type: &'a str,
    /// What receipts name.
    pub subject: &'a str,
    /// Its place in the delivery log.
    pub place: u64,
    /// How many connections listened to its channels.
    pub connections: usize,
}

impl DeliveryPushed<'_> {
    /// Tells it.
    pub fn emit(self) {
        tracing::debug!(
            trace_id = self.trace_parent.and_then(|parent| parent.split('-').nth(1)),
            event_id = self.event_id,
            frame_type = self.frame_type,
            subject = self.subject,
            place = self.place,
            connections = self.connections,
            "pushed a delivery"
        );
    }
}
