//! A thousand keys, one of which may fail: how long the records of the others wait, from being sent to being handled.

use std::{
    io::Write as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tidings_consumer::{
    Handler, HandlerError, Logged, Observer, Options, async_trait,
    log::{Log, Produce},
};
use tidings_model::Record;
use tidings_store::Tx;
use tokio_util::sync::CancellationToken;

use super::{
    Source,
    ours::{RECORDS, open},
};
use crate::{Failure, process::tell, samples::Samples};

/// Keys; the first one is sick.
const KEYS: u64 = 1_000;
/// Records a second, one of each key.
const RATE: u64 = 1_000;
/// What is sent at once.
const TICK: Duration = Duration::from_millis(5);
/// Seconds at the beginning that do not count: the group forms, files grow.
const WARM: u64 = 3;
/// How long the last ones may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// When each record was sent, and how long it waited.
struct Waits {
    fails: bool,
    begun: Instant,
    /// By number: since `begun`.
    sent: Mutex<Vec<Duration>>,
    waited: Mutex<Vec<Duration>>,
}

#[async_trait]
impl Handler for Waits {
    fn name(&self) -> &'static str {
        "waits"
    }

    fn topic(&self) -> &'static str {
        RECORDS
    }

    fn group(&self) -> &'static str {
        "bench"
    }

    async fn handle(&self, record: &Record, _tx: &Tx) -> Result<(), HandlerError> {
        let value = std::str::from_utf8(record.value.as_deref().unwrap_or_default());
        let number: usize =
            value.map_err(HandlerError::reject)?.trim_end().parse().map_err(HandlerError::reject)?;
        if (number as u64).is_multiple_of(KEYS) {
            return if self.fails { Err(HandlerError::retry("this key is sick")) } else { Ok(()) };
        }
        let now = self.begun.elapsed();
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner).get(number).copied();
        if let Some(sent) = sent.filter(|_| number as u64 >= WARM * RATE) {
            self.waited.lock().unwrap_or_else(PoisonError::into_inner).push(now.saturating_sub(sent));
        }
        Ok(())
    }
}

pub(super) fn read(source: &Source, folder: &Path, fails: bool) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let waits =
        Arc::new(Waits { fails, begun: Instant::now(), sent: Mutex::default(), waited: Mutex::default() });
    runtime.block_on(async {
        let alone = open(source, folder).await?;
        let handlers: [Arc<dyn Handler>; 1] = [Arc::clone(&waits) as Arc<dyn Handler>];
        let observer: Arc<dyn Observer> = Arc::new(Logged);
        let (options, stop) = (Options::default(), CancellationToken::new());
        let wanted = usize::try_from((source.records - WARM * RATE) / KEYS * (KEYS - 1))?;
        let done = async {
            send(&**alone.log(), &waits, source.records).await?;
            let end = Instant::now() + PATIENCE;
            while waits.waited.lock().unwrap_or_else(PoisonError::into_inner).len() < wanted {
                if Instant::now() > end {
                    return Err(Failure::from("the last records were not handled in time"));
                }
                tokio::time::sleep(TICK).await;
            }
            Ok(())
        };
        tokio::select! {
            ended = alone.run(&handlers, &options, &observer, stop.clone()) => Ok(ended?),
            done = done => done,
        }
    })?;
    let waited = std::mem::take(&mut *waits.waited.lock().unwrap_or_else(PoisonError::into_inner));
    let samples: Samples = waited.into_iter().collect();
    writeln!(std::io::stderr(), "{} records of healthy keys", samples.len())?;
    tell(&format!("{} {}", samples.p50(), samples.p99()))
}

/// Sends at a steady rate; what is late is sent at once.
async fn send(log: &dyn Log, waits: &Waits, records: u64) -> Result<(), Failure> {
    let mut tick = tokio::time::interval(TICK);
    let begun = Instant::now();
    let mut acks = std::collections::VecDeque::new();
    for number in 0..records {
        while u128::from(number) > begun.elapsed().as_millis() * u128::from(RATE) / 1_000 {
            tick.tick().await;
        }
        let record = Produce {
            topic: RECORDS.to_owned(),
            key: Some(format!("key-{}", number % KEYS).into_bytes()),
            value: Some(format!("{number:<200}").into_bytes()),
            ..Produce::default()
        };
        waits.sent.lock().unwrap_or_else(PoisonError::into_inner).push(waits.begun.elapsed());
        acks.push_back(log.enqueue(record)?);
        if acks.len() > 1_000
            && let Some(first) = acks.pop_front()
        {
            first.await?;
        }
    }
    for ack in acks {
        ack.await?;
    }
    Ok(())
}
