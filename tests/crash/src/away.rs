//! While a part is away: somebody goes on asking, each stream is to stay open, and once the part is back everything is
//! to go on by itself.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{StatusCode, header};
use serde_json::json;
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    field::{Field, Marks},
    history::{Line, Part},
    load::Load,
    people::Target,
    sender::BROADCASTS,
};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(500);
/// How long what is back may take until a message passes; what takes longer is noted as this.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two looks at who has seen a message.
const LOOK: Duration = Duration::from_millis(20);

/// Asks until it is told that the part comes back. Each question is to be answered as promised for a part that is away.
#[derive(Debug)]
pub struct Probe {
    stop: watch::Sender<bool>,
    asking: JoinHandle<()>,
}

impl Probe {
    /// Begins to ask; the part is away already.
    pub fn start(field: Arc<Field>, part: Part, seed: u64) -> Self {
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Handle::current();
        let asking = runtime.spawn(ask(field, part, stopped, seed));
        Self { stop, asking }
    }

    /// Asks nothing more, and waits for the last answer. The part must still be away.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        self.asking.await.expect("who asks does not fail");
    }
}

async fn ask(field: Arc<Field>, part: Part, mut stop: watch::Receiver<bool>, seed: u64) {
    for n in 0_usize.. {
        let m = format!("{}-away-{part:?}-{seed}-{n}", field.name);
        let marks = Marks { key: m.clone(), m: m.clone(), n: 0 };
        let target = Target::All;
        field.history.note(&Line::Try { m: m.clone(), key: m.clone(), n: 0, to: target.to(&field.people) });
        let body = json!({ "content": m, "data": field.data(&marks), "target": target.json() });
        let asked = Instant::now();
        let answer = field.operator(n).post_once(BROADCASTS, &m, &body).await.ok();
        let ms = u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX);
        let status = answer.as_ref().map(|answer| answer.status.as_u16());
        let retry_after =
            answer.as_ref().is_some_and(|answer| answer.headers.contains_key(header::RETRY_AFTER));
        field.history.note(&Line::Asked { part, status, retry_after, ms });
        if let Some(id) = answer.filter(|answer| answer.status == StatusCode::CREATED).and_then(|answer| {
            let body: serde_json::Value = answer.json().ok()?;
            Some(body.get("id")?.as_str()?.to_owned())
        }) {
            field.acknowledged(&m, &id, &target);
        }
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Notes how long it takes, from now on, until a message is taken and every device has seen it.
pub async fn recovers(load: &Load, part: Part, devices: usize, seed: u64) {
    let field = load.field();
    let m = format!("{}-back-{part:?}-{seed}", field.name);
    let marks = Marks { key: m.clone(), m: m.clone(), n: 0 };
    let back = Instant::now();
    let mut random = fastrand::Rng::with_seed(seed);
    load.sender("back".to_owned()).send(&marks, &Target::All, &mut random).await;
    while field.sights(&m) < devices && back.elapsed() < PATIENCE {
        tokio::time::sleep(LOOK).await;
    }
    let ms = u64::try_from(back.elapsed().as_millis()).unwrap_or(u64::MAX);
    field.history.note(&Line::Back { part, ms });
}
