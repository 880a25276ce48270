//! A load: senders and devices around one server, from the first connection to the judgement.

use std::{
    io,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use http::{Method, header};
use tidings_client::{Answer, ListenOptions, Transport};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{
    device::{Device, Habits, Stage},
    field::{Field, Marks},
    history::{History, Line},
    judge::{Demands, Judgement, judge},
    people::{Target, people},
    sender::Sender,
    statistics,
    talk::About,
};

/// How long devices may take until all of them listen.
const OPENING: Duration = Duration::from_mins(4);
/// So many people are imported before they connect, as an application does that has them already: whoever connects
/// unknown is a change of the directory of their own.
const CROWD: usize = 500;
/// Nothing new for so long: the run is at rest.
const REST: Duration = Duration::from_secs(3);
/// Nothing new for so long, and not every device saw its final marker: what is missing is lost.
const LOST: Duration = Duration::from_secs(30);
/// However it goes on, a run ends after so long.
const ENDING: Duration = Duration::from_mins(10);

/// Final markers that are sent at once.
const MARKERS: usize = 20;

/// Between two tries.
const LOOK: Duration = Duration::from_millis(20);

/// What a load is made of.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// People who listen.
    pub people: usize,
    /// Devices of each; none where nobody listens.
    pub devices: usize,
    /// Messages a second, of all senders.
    pub rate: u32,
    /// Senders; one in five is patient.
    pub senders: u32,
    /// How each of a person's devices behaves, by its number.
    pub habits: fn(usize) -> Habits,
    /// Letters that each message carries beside its marks.
    pub padding: usize,
    /// What messages are.
    pub about: About,
}

impl Shape {
    /// Twenty people with two restless devices each.
    pub const fn restless(rate: u32) -> Self {
        Self {
            people: 20,
            devices: 2,
            rate,
            senders: 20,
            habits: |_every| Habits::RESTLESS,
            padding: 0,
            about: About::Broadcasts(Target::choose),
        }
    }
}

/// A running load.
#[derive(Debug)]
pub struct Load {
    field: Arc<Field>,
    senders: JoinSet<()>,
    stop_senders: watch::Sender<bool>,
    devices: JoinSet<Option<String>>,
    stop_devices: watch::Sender<bool>,
    stages: Vec<watch::Receiver<Stage>>,
    statuses: JoinSet<()>,
    shape: Shape,
}

impl Load {
    /// Connects all devices to these nodes; nothing is sent yet. The history, `<name>.jsonl`, goes into `folder`.
    pub async fn open(
        bases: &[String],
        folder: &Path,
        name: &str,
        shape: Shape,
        seed: u64,
    ) -> Result<Self, String> {
        let history =
            History::open(&folder.join(format!("{name}.jsonl"))).map_err(|cause| cause.to_string())?;
        let mut field = Field::new(history, name, people(shape.people), bases, seed);
        field.padding = "x".repeat(shape.padding);
        // Once, so that the directory knows the operator and counts are the same from the start.
        let until = Instant::now() + OPENING;
        while let Err(cause) = field.operator(0).listen(&ListenOptions::default()).await {
            if Instant::now() >= until {
                return Err(cause.to_string());
            }
            tokio::time::sleep(LOOK).await;
        }
        // Who never connects is known by no other way.
        if shape.people >= CROWD || shape.devices == 0 {
            import(&field).await?;
        }
        field.talk = shape.about.begin(&field).await?;
        let field = Arc::new(field);
        let (stop_devices, stopped) = watch::channel(false);
        let (mut devices, mut stages) = (JoinSet::new(), Vec::new());
        let mut random = fastrand::Rng::with_seed(seed);
        for person in &field.people {
            for at in 0..shape.devices {
                let transport = if at % 2 == 0 { Transport::Sse } else { SECOND };
                let (device, stage) = Device::new(
                    &field,
                    person,
                    &format!("d{at}"),
                    transport,
                    (shape.habits)(at),
                    random.u64(..),
                );
                devices.spawn(device.run(stopped.clone()));
                stages.push(stage);
            }
        }
        let mut load = Self {
            field,
            senders: JoinSet::new(),
            stop_senders: watch::channel(false).0,
            devices,
            stop_devices,
            stages,
            statuses: JoinSet::new(),
            shape,
        };
        if !all_reach(&mut load.stages, |stage| stage != Stage::Opening, OPENING).await {
            let waiting = load.stages.iter().filter(|stage| *stage.borrow() == Stage::Opening).count();
            return Err(format!("{waiting} of {} devices could not open their streams", load.stages.len()));
        }
        Ok(load)
    }

    /// Begins to send.
    pub fn send(&mut self) {
        let mut random = fastrand::Rng::with_seed(self.field.seed.wrapping_add(1));
        let pause = Duration::from_secs(1) * self.shape.senders / self.shape.rate.max(1);
        for number in 0..self.shape.senders {
            let name = format!("{}-s{number}", self.field.name);
            let sender = Sender {
                pause,
                // Where nobody listens there is no sight to wait for.
                patient: self.field.talk.keeps_keys() && self.shape.devices > 0 && number % 5 == 0,
                ..self.sender(name)
            };
            self.senders.spawn(sender.run(self.stop_senders.subscribe(), random.u64(..)));
        }
        if matches!(self.shape.about, About::Broadcasts(_)) {
            let (field, stop) = (Arc::clone(&self.field), self.stop_senders.subscribe());
            self.statuses.spawn(statistics::watch(field, stop, random.u64(..)));
        }
    }

    /// What all tasks share.
    pub fn field(&self) -> &Field {
        &self.field
    }

    /// The same, for a task beside the load.
    pub fn shared(&self) -> &Arc<Field> {
        &self.field
    }

    /// Notes a fault that is injected now.
    pub fn fault(&self, what: impl Into<String>) {
        self.field.history.note(&Line::Fault { what: what.into() });
    }

    /// Waits until the server took `count` messages, at most `limit`.
    pub async fn acknowledges(&self, count: usize, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        while self.field.acknowledged_count() < count {
            if Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(LOOK).await;
        }
        true
    }

    /// Ends the sending, tells every person so with a final marker, waits until every device has it and nothing
    /// more comes, and lets every device confirm its last cursor. The server must be up, and stay up.
    pub async fn settle(&mut self) -> Vec<Option<String>> {
        self.stop_senders.send_replace(true);
        while self.senders.join_next().await.is_some() {}
        while self.statuses.join_next().await.is_some() {}
        self.field.calm.store(true, Ordering::Relaxed);
        // A group that lost its member goes on later than any short rest.
        tokio::select! {
            () = all_seen(&self.field, self.shape.devices) => {}
            () = rest(&self.field, LOST) => {}
        }
        self.send_markers().await;
        let ended = all_reach(&mut self.stages, |stage| stage == Stage::Ended, ENDING);
        tokio::select! {
            _ = ended => {}
            () = rest(&self.field, LOST) => {}
        }
        rest(&self.field, REST).await;
        self.stop_devices.send_replace(true);
        let mut cursors = Vec::new();
        while let Some(Ok(cursor)) = self.devices.join_next().await {
            cursors.push(cursor);
        }
        cursors
    }

    /// Tells every person that nothing comes after this.
    async fn send_markers(&self) {
        let mut random = fastrand::Rng::with_seed(self.field.seed.wrapping_add(2));
        let mut sending = JoinSet::new();
        for person in &self.field.people {
            if sending.len() >= MARKERS {
                sending.join_next().await;
            }
            let (marker, mut random) = (self.sender("final".to_owned()), random.fork());
            let (m, to) = (self.field.final_marker(&person.id), Target::Selected(vec![person.id.clone()]));
            sending.spawn(async move {
                let marks = Marks { key: m.clone(), m, n: 0 };
                marker.send(&marks, &to, &mut random).await
            });
        }
        while sending.join_next().await.is_some() {}
    }

    /// A sender that sends when it is told to.
    pub fn sender(&self, name: String) -> Sender {
        let field = Arc::clone(&self.field);
        Sender { field, name, pause: Duration::ZERO, patient: false }
    }

    /// Judges what was noted.
    pub fn judge(&self, demands: &Demands) -> io::Result<Judgement> {
        let lines: Result<Vec<Line>, io::Error> = self.field.history.lines()?.collect();
        Ok(judge(lines?, demands))
    }
}

/// Enters everybody in the directory, as their tokens say.
pub(crate) async fn import(field: &Field) -> Result<(), String> {
    let lines: Vec<String> = field.people.iter().map(|person| person.json().to_string()).collect();
    let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
    let until = Instant::now() + OPENING;
    loop {
        let body = Some(lines.join("\n").into());
        let sent = field.operator(0).send(Method::PUT, "/api/v1/directory/users", &kind, body).await;
        match sent.and_then(Answer::success) {
            Ok(_imported) => return Ok(()),
            Err(cause) if Instant::now() >= until => return Err(cause.to_string()),
            Err(_away) => tokio::time::sleep(LOOK).await,
        }
    }
}

async fn all_reach(
    stages: &mut [watch::Receiver<Stage>],
    reached: fn(Stage) -> bool,
    limit: Duration,
) -> bool {
    let reaching = async {
        for stage in stages {
            if stage.wait_for(|stage| reached(*stage)).await.is_err() {
                return false;
            }
        }
        true
    };
    timeout(limit, reaching).await.unwrap_or(false)
}

/// Waits until every device has seen whatever was taken for it.
async fn all_seen(field: &Field, devices: usize) {
    while !field.all_is_seen(devices) {
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until nothing new is seen for so long, whatever a busy machine takes until then.
async fn rest(field: &Field, still: Duration) {
    let until = Instant::now() + ENDING;
    let (mut views, mut since) = (field.views(), Instant::now());
    while Instant::now() < until && since.elapsed() < still {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = field.views();
        if now != views {
            (views, since) = (now, Instant::now());
        }
    }
}

/// What each person's second device listens by; the first one listens by server-sent events.
const SECOND: Transport = Transport::WebSocket;
