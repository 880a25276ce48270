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
    talk::{Standing, Told},
};

/// How long the last confirmation is tried.
const CONFIRMING: Duration = Duration::from_mins(1);

/// How a device behaves.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// It cuts its stream after so many milliseconds, from the least to the most; one in four after few of them.
    pub cuts: Option<(u64, u64)>,
    /// The most milliseconds before it comes back.
    pub pause: u64,
    /// It confirms after one in so many events.
    pub confirms_one_in: u32,
}

impl Habits {
    /// Cuts after 50 ms to 2 s, confirms now and then.
    pub const RESTLESS: Self = Self { cuts: Some((50, 2000)), pause: 200, confirms_one_in: 50 };
    /// Stays.
    pub const CALM: Self = Self { cuts: None, pause: 200, confirms_one_in: 500 };
    /// One of a thousand: cuts after 30 s to 5 min, and waits a little, as a client by the book does.
    pub const CROWD: Self = Self { cuts: Some((30_000, 300_000)), pause: 1500, confirms_one_in: 100 };
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

/// Who ended a stream.
enum Cut {
    /// The device.
    Own,
    /// The server, or whoever killed it.
    Others,
}

/// One device of one person.
#[derive(Debug)]
pub struct Device {
    field: Arc<Field>,
    user: String,
    name: String,
    // One for each node, and which of them is used.
    clients: Vec<Client>,
    node: usize,
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
        let mut random = fastrand::Rng::with_seed(seed);
        let clients = field.clients(&person.id).to_vec();
        let device = Self {
            field: Arc::clone(field),
            user: person.id.clone(),
            name: name.to_owned(),
            node: random.usize(..clients.len().max(1)),
            clients,
            options: ListenOptions { session: Some(session), transport, ..ListenOptions::default() },
            habits,
            random,
            shown: HashSet::new(),
            stage,
        };
        (device, watched)
    }

    /// Listens until `stop`, then confirms its last cursor; answers that cursor.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Option<String> {
        loop {
            let ended = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => None,
                cut = self.one_stream() => Some(cut),
            };
            match ended {
                None => {
                    self.confirm_last().await;
                    return self.options.cursor;
                }
                Some(Cut::Own) => self.node = self.random.usize(..self.clients.len()),
                Some(Cut::Others) => self.another_node(),
            }
            let pause = Duration::from_millis(self.random.u64(0..self.habits.pause));
            tokio::time::sleep(pause).await;
        }
    }

    /// One stream, from its opening to its end or its cut. Cancel safe: no frame is taken by halves.
    async fn one_stream(&mut self) -> Cut {
        let Ok(mut stream) = self.client().listen(&self.options).await else { return Cut::Others };
        let (least, most) = self.habits.cuts.unwrap_or((1, 10));
        let life = if self.random.u8(0..4) == 0 { least..least * 6 } else { least * 6..most };
        let cut = Instant::now() + Duration::from_millis(self.random.u64(life));
        loop {
            let cuts =
                self.habits.cuts.is_some() && !self.field.is_calm() && *self.stage.borrow() != Stage::Opening;
            let frame = tokio::select! {
                biased;
                () = sleep_until(cut), if cuts => return Cut::Own,
                frame = stream.next() => frame,
            };
            let Ok(frame) = frame else { return Cut::Others };
            let Some(event) = self.take(frame) else { continue };
            // Whether it arrived is unknown if it fails; a later one covers it.
            if self.random.u32(0..self.habits.confirms_one_in) == 0 {
                self.confirm(&mut stream).await.unwrap_or_default();
            }
            if self.random.u32(0..self.habits.confirms_one_in) == 0 {
                self.read(&event).await;
            }
        }
    }

    fn client(&self) -> &Client {
        self.clients.get(self.node).expect("there is a node")
    }

    fn another_node(&mut self) {
        self.node = (self.node + 1) % self.clients.len();
    }

    /// Takes a frame. Answers the message that the person sees now, if it is new to them.
    fn take(&mut self, frame: Frame) -> Option<Event> {
        match frame {
            Frame::Ready(ready) => {
                self.ready(ready);
                None
            }
            Frame::Event { cursor, event } => {
                if cursor.is_some() {
                    self.moved(cursor);
                }
                self.event(&event).then_some(event)
            }
            Frame::Cursor { cursor } => {
                self.moved(Some(cursor));
                None
            }
            Frame::Signal(_)
            | Frame::Digest(_)
            | Frame::TokenExpiring { .. }
            | Frame::Shutdown { .. }
            | Frame::Reply(_)
            | Frame::Unknown { .. } => None,
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
        let (marks, id) = match self.field.told(event) {
            None => return false,
            Some(Told::Standing(standing)) => {
                if self.shown.insert(event.id.clone()) {
                    self.stands(standing);
                }
                return false;
            }
            Some(Told::Message(marks, id)) => (marks, id),
        };
        self.note(event, (&marks, &id), true);
        if !self.shown.insert(event.id.clone()) {
            return false;
        }
        self.note(event, (&marks, &id), false);
        self.field.seen(event, &marks);
        if marks.m == self.field.final_marker(&self.user) {
            let (u, dev) = (self.user.clone(), self.name.clone());
            self.field.history.note(&Line::End { u, dev });
            self.stage.send_replace(Stage::Ended);
        }
        true
    }

    fn stands(&self, standing: Standing) {
        let (u, dev) = (self.user.clone(), self.name.clone());
        let Standing { id, by, read, counts } = standing;
        self.field.history.note(&Line::Standing { u, dev, id, by, read, counts });
    }

    fn note(&self, event: &Event, (marks, id): (&Marks, &str), wire: bool) {
        self.field.history.note(&Line::Recv {
            u: self.user.clone(),
            dev: self.name.clone(),
            m: marks.m.clone(),
            key: marks.key.clone(),
            n: marks.n,
            id: id.to_owned(),
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

    /// Says that the person read what they saw, where that is said of single messages.
    async fn read(&self, event: &Event) {
        if let Some((path, body)) = self.field.talk.read(event) {
            // As with a confirmation: a later one covers what does not arrive.
            drop(self.client().post(&path, &body).await);
        }
    }

    /// Confirms the last cursor until the server has said that it has it.
    async fn confirm_last(&mut self) {
        let Some(cursor) = self.options.cursor.clone() else { return };
        let body = serde_json::json!({ "cursor": cursor, "session": self.options.session });
        let confirming = async {
            while !self
                .client()
                .post("/api/v1/receipts", &body)
                .await
                .is_ok_and(|answer| answer.status.is_success())
            {
                self.another_node();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        // What stays unconfirmed shows in the counts, which are judged.
        timeout(CONFIRMING, confirming).await.unwrap_or_default();
    }
}
