//! A listener: a stream that comes back by itself, from where it was, and shows each event once.

use std::time::Duration;

use tokio::time::Instant;

use crate::{Client, ClientError, Frame, ListenOptions, Stream, Waits, seen::Seen};

/// Event ids that are remembered, so that a catch-up which is cut and sent again shows nothing twice.
const SEEN: usize = 65_536;

/// Listens across cuts, restarts and drains until the server says that coming back does not help.
#[derive(Debug)]
pub struct Listener {
    client: Client,
    options: ListenOptions,
    waits: Waits,
    random: fastrand::Rng,
    stream: Option<Stream>,
    seen: Seen,
    /// Whether it goes on after the newest cursor.
    places: bool,
    attempt: u32,
    // When to connect again, and what the server asked for.
    due: Option<Instant>,
    asked: Option<Duration>,
}

impl Listener {
    /// A listener that connects at the first [`Listener::next`]; `seed` spreads its waits.
    pub fn new(client: Client, options: ListenOptions, waits: Waits, seed: u64) -> Self {
        Self {
            client,
            options,
            waits,
            random: fastrand::Rng::with_seed(seed),
            stream: None,
            seen: Seen::new(SEEN),
            places: true,
            attempt: 0,
            due: None,
            asked: None,
        }
    }

    /// The same, but it comes back without a cursor and confirms nothing: for who loads what was missed, and says
    /// itself what was shown. What is pending comes after each `Ready`.
    pub fn without_place(self) -> Self {
        Self { places: false, ..self }
    }

    /// The next frame that was not seen before. An error is final: a token that does not hold, a bad request.
    ///
    /// `Ready` comes after each reconnect; where it is not `recovered`, the caller reloads its lists.
    /// Cancel safe.
    pub async fn next(&mut self) -> Result<Frame, ClientError> {
        loop {
            let ended = match self.read().await {
                Ok(frame) => {
                    if self.takes(&frame) {
                        return Ok(frame);
                    }
                    continue;
                }
                Err(ended) => ended,
            };
            self.stream = None;
            if !ended.may_reconnect() {
                return Err(ended);
            }
            let asked = self.asked.take();
            let asked = ended.retry_after().or(asked);
            let wait = self.waits.before(self.attempt, asked, &mut self.random);
            self.attempt = self.attempt.saturating_add(1);
            self.due = Some(Instant::now() + wait);
        }
    }

    /// Confirms everything that [`Listener::next`] has returned so far; nothing if there is no stream or no cursor.
    pub async fn ack(&mut self) -> Result<(), ClientError> {
        match (&mut self.stream, &self.options.cursor) {
            (Some(stream), Some(cursor)) => stream.ack(cursor).await,
            _none_yet => Ok(()),
        }
    }

    /// The open stream, for commands.
    pub fn stream(&mut self) -> Option<&mut Stream> {
        self.stream.as_mut()
    }

    /// The newest cursor: where the next connection goes on.
    pub fn cursor(&self) -> Option<&str> {
        self.options.cursor.as_deref()
    }

    /// Drops the connection without a word, as a network does; the next call comes back by itself.
    pub fn cut(&mut self) {
        self.stream = None;
    }

    async fn read(&mut self) -> Result<Frame, ClientError> {
        if self.stream.is_none() {
            if let Some(due) = self.due {
                tokio::time::sleep_until(due).await;
            }
            self.stream = Some(self.client.listen(&self.options).await?);
        }
        let stream = self.stream.as_mut().ok_or(ClientError::Ended)?;
        let frame = stream.next().await?;
        if let Some(retry) = stream.retry() {
            self.asked = Some(retry);
        }
        Ok(frame)
    }

    /// Notes what a frame says about the stream; whether it is for the caller.
    fn takes(&mut self, frame: &Frame) -> bool {
        match frame {
            Frame::Ready(ready) => {
                self.attempt = 0;
                self.due = None;
                self.options.session = Some(ready.session_id.clone());
                // A catch-up confirms nothing before its end: until then the old cursor holds, if it did at all.
                if !ready.recovered || ready.cursor.is_some() {
                    self.reached(ready.cursor.as_ref());
                }
                true
            }
            Frame::Event { cursor, event } => {
                if cursor.is_some() {
                    self.reached(cursor.as_ref());
                }
                self.seen.is_new(&event.id)
            }
            Frame::Cursor { cursor } => {
                self.reached(Some(cursor));
                true
            }
            Frame::Shutdown { reconnect_ms } => {
                self.asked = Some(Duration::from_millis(*reconnect_ms));
                true
            }
            Frame::Signal(_)
            | Frame::Digest(_)
            | Frame::TokenExpiring { .. }
            | Frame::Reply(_)
            | Frame::Unknown { .. } => true,
        }
    }

    fn reached(&mut self, cursor: Option<&String>) {
        if self.places {
            self.options.cursor = cursor.cloned();
        }
    }
}
