//! `tidings dead-letters redrive --brokers`: records sent through again, to their first topic and key.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use tidings_consumer::{redrive::MOST_REDRIVES, spring};
use tidings_log::{Log, Produce, TopicPartition};
use tidings_model::Record;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::MissedTickBehavior,
};

use super::{Letter, Letters, PASSED, takes};
use crate::{
    commands::dead_letters::{Failed, Redrive},
    failure::Failure,
    kafka::failed,
    terminal::{harmless, remark, say, say_json},
};

/// Records between two words on how far a run is; how far is noted as often.
const SLICE: u64 = 100;

/// What became of a run.
#[derive(Debug, Default, Serialize)]
struct Redriven {
    total: u64,
    sent: u64,
    failed: u64,
    failures: Vec<Failed>,
}

/// A run on its way.
struct Run<'a> {
    redrive: &'a Redrive,
    over_all: bool,
    pace: tokio::time::Interval,
    done: Redriven,
    /// How far it is, where that is not noted yet.
    unnoted: BTreeMap<TopicPartition, u64>,
}

impl<'a> Run<'a> {
    fn new(redrive: &'a Redrive, over_all: bool) -> Self {
        let mut pace = tokio::time::interval(Duration::from_secs(1) / redrive.rate);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { redrive, over_all, pace, done: Redriven::default(), unnoted: BTreeMap::new() }
    }

    fn fail(&mut self, id: String, reason: String) {
        self.done.total += 1;
        self.done.failed += 1;
        self.done.failures.push(Failed { id, reason });
    }

    fn tell(&self) {
        if !self.redrive.json {
            remark(format_args!("{} sent, {} failed", self.done.sent, self.done.failed));
        }
    }
}

impl Letters {
    /// Sends some through again.
    pub(in super::super) async fn redrive(&self, redrive: &Redrive) -> Result<(), Failure> {
        let over_all = redrive.ids.is_empty() && redrive.filter.is_empty();
        let mut run = Run::new(redrive, over_all);
        let mut interrupt = signal(SignalKind::interrupt())?;
        let ended = tokio::select! {
            ended = self.send(&mut run) => ended,
            _ = interrupt.recv() => Err(Failure::new("interrupted")),
        };
        // Also of a run that failed: what was sent is not sent again by the next one.
        self.note(&mut run).await?;
        let done = run.done;
        if redrive.json {
            say_json(&done)?;
        } else {
            for Failed { id, reason } in &done.failures {
                say(format!("{}  {}", harmless(id), harmless(reason)))?;
            }
            let would = if redrive.dry_run { "would be sent" } else { "sent" };
            say(format!("{} of {} {would}, {} failed", done.sent, done.total, done.failed))?;
        }
        ended?;
        if done.failed > 0 { Err(Failure::new(format!("{} failed", done.failed))) } else { Ok(()) }
    }

    async fn send(&self, run: &mut Run<'_>) -> Result<(), Failure> {
        for id in &run.redrive.ids {
            match self.letter(id).await? {
                Some(letter) => self.send_one(run, letter).await?,
                None => run.fail(id.clone(), "there is no such dead letter".to_owned()),
            }
        }
        if !run.redrive.ids.is_empty() {
            return Ok(());
        }
        for part in &self.parts {
            let mut next = part.kept.start.max(part.passed);
            while let Some(page) = self.page(part, &mut next).await? {
                for letter in page.into_iter().filter(|letter| takes(&run.redrive.filter, letter)) {
                    let (at, offset) = (part.at.clone(), letter.record.offset);
                    self.send_one(run, letter).await?;
                    run.unnoted.insert(at, offset + 1);
                    if run.done.total.is_multiple_of(SLICE) {
                        self.note(run).await?;
                        run.tell();
                    }
                }
            }
        }
        Ok(())
    }

    /// Notes how far a run over all is.
    async fn note(&self, run: &mut Run<'_>) -> Result<(), Failure> {
        let unnoted = std::mem::take(&mut run.unnoted);
        if run.over_all && !run.redrive.dry_run {
            for (at, next) in unnoted {
                self.log.reset(PASSED, at, next).await.map_err(|cause| failed(&cause))?;
            }
        }
        Ok(())
    }

    async fn send_one(&self, run: &mut Run<'_>, letter: Letter) -> Result<(), Failure> {
        if letter.redrives >= MOST_REDRIVES {
            let reason = format!(
                "it was sent through again {MOST_REDRIVES} times and failed each time: mend the cause, it loops"
            );
            run.fail(letter.id, reason);
            return Ok(());
        }
        run.done.total += 1;
        if !run.redrive.dry_run {
            run.pace.tick().await;
            let sent = self.log.produce(letter.again()).await;
            if let Err(cause) = sent {
                run.done.failed += 1;
                // The next one would fare no better.
                return Err(failed(&cause));
            }
        }
        run.done.sent += 1;
        Ok(())
    }
}

impl Letter {
    /// The record on its way again: to its first topic, with its key. Without a key only the old partition keeps it
    /// near its neighbours.
    fn again(self) -> Produce {
        let headers = spring::headers_again(&self.record, &self.given_up);
        let Record { key, value, .. } = self.record;
        Produce {
            topic: self.topic,
            partition: self.partition.filter(|_| key.is_none()),
            key,
            headers,
            value,
        }
    }
}
