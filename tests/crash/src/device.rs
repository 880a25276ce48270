//! A device: listens, is cut, comes back from its cursor, and shows each event once.
//!
//! It is a client by the book, on the single [`Stream`](tidings_client::Stream) and not on the listener that hides
//! cuts, so that the history holds every raw frame beside what the person sees.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tidings_client::{Client, ClientError, Event, Frame, ListenOptions, Ready, Stream, Transport};
use tidings_model::{EventId, SessionId};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    field::{Field, Marks},
    history::Line,
    people::Person,
};

/// How long the last confirmation is tried.
const CONFIRMING: Duration = Duration::from_secs(15);

/// How a device behaves.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Whether it cuts its stream now and then.
    pub cuts: bool,
    /// It confirms after one in so many events.
    pub confirms_one_in: u32,
}

impl Habits {
    /// Cuts after 50 ms to 2 s, confirms now and then.
    pub const RESTLESS: Self = Self { cuts: true, confirms_one_in: 50 };
    /// Stays.
    pub const CALM: Self = Self { cuts: false, confirms_one_in: 500 };
}

/// How far a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It has no cursor yet.
    Opening,
    /// It has one: from here on it is demanded everything.
    Listening,
    /// It saw its final marker.
    Ended,
}

/// One device of one person.
#[derive(Debug)]
pub struct Device {
    field: Arc<Field>,
    user: String,
    name: String,
    client: Client,
    options: ListenOptions,
    habits: Habits,
    random: fastrand::Rng,
    shown: HashSet<EventId>,
    stage: watch::Sender<Stage>,
}

impl Device {
    /// A device that is not connected yet.
    pub fn new(
        field: &Arc<Field>,
        person: &Person,
        name: &str,
        transport: Transport,
        habits: Habits,
        seed: u64,
    ) -> (Self, watch::Receiver<Stage>) {
        let session: SessionId = format!("{}-{name}", person.id).parse().expect("a short name");
        let (stage, watched) = watch::channel(Stage::Opening);
        let device = Self {
            field: Arc::clone(field),
            user: person.id.clone(),
            name: name.to_owned(),
            client: Client::new(&field.base, Some(&person.token())).expect("the base is a URL"),
            options: ListenOptions { session: Some(session), transport, ..ListenOptions::default() },
            habits,
            random: fastrand::Rng::with_seed(seed),
            shown: HashSet::new(),
            stage,
        };
        (device, watched)
    }

    /// Listens until `stop`, then confirms its last cursor; answers that cursor.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Option<String> {
        loop {
            let stopped = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => true,
                () = self.one_stream() => false,
            };
            if stopped {
                self.confirm_last().await;
                return self.options.cursor;
            }
            let pause = Duration::from_millis(self.random.u64(0..200));
            tokio::time::sleep(pause).await;
        }
    }

    /// One stream, from its opening to its end or its cut. Cancel safe: no frame is taken by halves.
    async fn one_stream(&mut self) {
        let Ok(mut stream) = self.client.listen(&self.options).await else { return };
        let life = if self.random.u8(0..4) == 0 { 50..300 } else { 300..2000 };
        let cut = Instant::now() + Duration::from_millis(self.random.u64(life));
        loop {
            let cuts = self.habits.cuts && !self.field.is_calm() && *self.stage.borrow() != Stage::Opening;
            let frame = tokio::select! {
                biased;
                () = sleep_until(cut), if cuts => return,
                frame = stream.next() => frame,
            };
            let Ok(frame) = frame else { return };
            if self.take(frame) && self.random.u32(0..self.habits.confirms_one_in) == 0 {
                // Whether it arrived is unknown if it fails; a later one covers it.
                self.confirm(&mut stream).await.unwrap_or_default();
            }
        }
    }

    /// Takes a frame. Answers whether the person sees something new.
    fn take(&mut self, frame: Frame) -> bool {
        match frame {
            Frame::Ready(ready) => {
                self.ready(ready);
                false
            }
            Frame::Event { cursor, event } => {
                if cursor.is_some() {
                    self.moved(cursor);
                }
                self.event(&event)
            }
            Frame::Cursor { cursor } => {
                self.moved(Some(cursor));
                false
            }
            Frame::Digest(_)
            | Frame::TokenExpiring { .. }
            | Frame::Shutdown { .. }
            | Frame::Reply(_)
            | Frame::Unknown { .. } => false,
        }
    }

    fn ready(&mut self, ready: Ready) {
        let (u, dev) = (self.user.clone(), self.name.clone());
        if *self.stage.borrow() != Stage::Opening {
            self.field.history.note(&Line::Reconnect { u: u.clone(), dev: dev.clone() });
        }
        if !ready.recovered && self.options.cursor.is_some() {
            let reason = ready.reason.unwrap_or_default();
            self.field.history.note(&Line::Gap { u, dev, reason });
        }
        // A catch-up confirms nothing before its end: until then the old cursor holds, if it did at all.
        if !ready.recovered || ready.cursor.is_some() {
            self.options.cursor = None;
            self.moved(ready.cursor);
        }
    }

    fn moved(&mut self, cursor: Option<String>) {
        if cursor.is_none() {
            return;
        }
        self.options.cursor = cursor;
        if *self.stage.borrow() == Stage::Opening {
            let (u, dev) = (self.user.clone(), self.name.clone());
            self.field.history.note(&Line::Open { u, dev });
            self.stage.send_replace(Stage::Listening);
        }
    }

    fn event(&mut self, event: &Event) -> bool {
        let Some(marks) = Marks::of(event) else { return false };
        self.note(event, &marks, true);
        if !self.shown.insert(event.id.clone()) {
            return false;
        }
        self.note(event, &marks, false);
        self.field.seen(event);
        if marks.m == self.field.final_marker(&self.user) {
            let (u, dev) = (self.user.clone(), self.name.clone());
            self.field.history.note(&Line::End { u, dev });
            self.stage.send_replace(Stage::Ended);
        }
        true
    }

    fn note(&self, event: &Event, marks: &Marks, wire: bool) {
        self.field.history.note(&Line::Recv {
            u: self.user.clone(),
            dev: self.name.clone(),
            m: marks.m.clone(),
            key: marks.key.clone(),
            n: marks.n,
            id: event.subject.clone(),
            event: event.id.to_string(),
            late: event.late,
            wire,
        });
    }

    async fn confirm(&self, stream: &mut Stream) -> Result<(), ClientError> {
        match &self.options.cursor {
            Some(cursor) => stream.ack(cursor).await,
            None => Ok(()),
        }
    }

    /// Confirms the last cursor until the server has said that it has it.
    async fn confirm_last(&self) {
        let Some(cursor) = &self.options.cursor else { return };
        let body = serde_json::json!({ "cursor": cursor, "session": self.options.session });
        let confirming = async {
            while !self
                .client
                .post("/api/v1/receipts", &body)
                .await
                .is_ok_and(|answer| answer.status.is_success())
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        // What stays unconfirmed shows in the counts, which are judged.
        timeout(CONFIRMING, confirming).await.unwrap_or_default();
    }
}
