//! The records of one partition, in order: attempted, tried again, given up.

use std::sync::Arc;

use tidings_log::TopicPartition;
use tidings_model::{Record, planted};
use tidings_store::StoreError;

use crate::{
    HandlerError, dead_letter, progress,
    runner::{AWAY_PAUSE, Running},
};

/// Rows after which a transaction takes no more records. A turn of the writer may change twice as many: the record
/// that reaches this may have written as many itself.
const ROWS: u64 = 250;

/// What became of a transaction.
enum Outcome {
    /// Effects and progress of so many records, at least one, are committed.
    Done(usize),
    /// Nothing was done: progress is not where these records are.
    Elsewhere,
    /// Nothing of it was kept, because of the record at this place in the batch.
    Failed(usize, HandlerError),
}

/// Why a transaction was undone.
struct Undone {
    at: usize,
    error: HandlerError,
}

impl From<StoreError> for Undone {
    fn from(source: StoreError) -> Self {
        Self { at: 0, error: source.into() }
    }
}

impl Running {
    /// Handles records of one partition; what fails is held with all that comes after it. `attempts` are those
    /// that the first record has spent.
    pub(crate) async fn work(
        &mut self,
        partition: &TopicPartition,
        mut records: Vec<Record>,
        mut attempts: u32,
    ) {
        while !records.is_empty() && !self.stop.is_cancelled() {
            let Some(owned) = self.owned.get(partition) else { return };
            // A record that failed before is tried alone, so that its failure costs no one else a rollback.
            let take = if attempts > 0 { 1 } else { records.len().min(owned.handler.batch().max(1)) };
            let rest = records.split_off(take);
            let batch: Arc<[Record]> = records.into();
            planted::crash_point("before_handle");
            let outcome = self.attempt(partition, &batch).await;
            planted::crash_point("after_handle");
            match outcome {
                Outcome::Done(done) => {
                    self.note(partition, &batch[..done]);
                    (records, attempts) = ([batch[done..].to_vec(), rest].concat(), 0);
                }
                Outcome::Elsewhere => {
                    self.follow(partition, [batch.to_vec(), rest].concat()).await;
                    return;
                }
                Outcome::Failed(at, error) => {
                    let (good, failed) = batch.split_at(at);
                    // Those before it are good: they are committed without it.
                    if !good.is_empty() {
                        let Outcome::Done(done) = self.attempt(partition, &Arc::from(good)).await else {
                            self.hold(partition, [batch.to_vec(), rest].concat(), 0, AWAY_PAUSE);
                            return;
                        };
                        self.note(partition, &good[..done]);
                        if done < good.len() {
                            (records, attempts) = ([batch[done..].to_vec(), rest].concat(), 0);
                            continue;
                        }
                    }
                    records = [failed.to_vec(), rest].concat();
                    match self.failed(partition, records, error, attempts).await {
                        Some(others) => (records, attempts) = (others, 0),
                        None => return,
                    }
                }
            }
        }
    }

    /// One transaction: the effects of a run of records and the progress past them. It ends early when they have
    /// changed many rows.
    async fn attempt(&self, partition: &TopicPartition, batch: &Arc<[Record]>) -> Outcome {
        let (Some(owned), Some(first), Some(last)) = (self.owned.get(partition), batch.first(), batch.last())
        else {
            return Outcome::Done(batch.len());
        };
        let (group, epoch, handler) = (self.consumer.group, owned.epoch, Arc::clone(&owned.handler));
        let (first, next) = (first.offset, last.offset + 1);
        let (partition, records) = (partition.clone(), Arc::clone(batch));
        let ended = self
            .consumer
            .store
            .transact(move |tx| async move {
                if !progress::advance(&tx, group, &partition, epoch, first, next).await? {
                    return Ok(None);
                }
                for (at, record) in records.iter().enumerate() {
                    handler.handle(record, &tx).await.map_err(|error| Undone { at, error })?;
                    if tx.changed_rows() >= ROWS && at + 1 < records.len() {
                        // Back to the first one that was not handled.
                        progress::advance(&tx, group, &partition, epoch, next, record.offset + 1).await?;
                        return Ok(Some(at + 1));
                    }
                }
                Ok::<_, Undone>(Some(records.len()))
            })
            .await;
        match ended {
            Ok(Some(done)) => Outcome::Done(done),
            Ok(None) => Outcome::Elsewhere,
            Err(Undone { at, error }) => Outcome::Failed(at, error),
        }
    }

    /// Notes a committed run for the copies.
    fn note(&mut self, partition: &TopicPartition, batch: &[Record]) {
        if let Some(last) = batch.last() {
            self.copies.note(partition, last.offset + 1);
        }
    }

    /// Decides about a record that failed, the first of these: later, or never. Answers the records after it
    /// if it was given up.
    async fn failed(
        &mut self,
        partition: &TopicPartition,
        mut records: Vec<Record>,
        error: HandlerError,
        before: u32,
    ) -> Option<Vec<Record>> {
        if is_away(&error) {
            self.hold(partition, records, before, AWAY_PAUSE);
            return None;
        }
        let attempts = before + 1;
        let wait = match &error {
            HandlerError::Reject(_) => None,
            HandlerError::Retry(_) | HandlerError::Store(_) => {
                let chance = chance(self.consumer.group, records.first(), attempts);
                self.consumer.backoff.after(attempts, chance)
            }
        };
        if let Some(wait) = wait {
            self.hold(partition, records, attempts, wait);
            return None;
        }
        let rest = records.split_off(1);
        let bad = records.pop()?;
        match self.give_up(partition, &bad, error, attempts).await {
            Ok(true) => {
                self.note(partition, &[bad]);
                Some(rest)
            }
            Ok(false) => {
                self.follow(partition, [vec![bad], rest].concat()).await;
                None
            }
            Err(cause) => {
                tracing::error!(
                    group = self.consumer.group,
                    %cause,
                    "a dead letter could not be written; its record waits"
                );
                self.hold(partition, [vec![bad], rest].concat(), before, AWAY_PAUSE);
                None
            }
        }
    }

    /// Makes a record a dead letter, in the transaction that moves past it. False: progress is elsewhere.
    async fn give_up(
        &self,
        partition: &TopicPartition,
        record: &Record,
        error: HandlerError,
        attempts: u32,
    ) -> Result<bool, StoreError> {
        let Some(owned) = self.owned.get(partition) else { return Ok(false) };
        let (group, epoch, handler) = (self.consumer.group, owned.epoch, Arc::clone(&owned.handler));
        let (name, cause) = (handler.name(), error.chain());
        let topic = self.consumer.store.topic(&dead_letter::dead_letter_topic(&record.topic));
        let (at, now, bad) = (partition.clone(), self.consumer.clock.now(), record.clone());
        // A body may run twice, so it shares what it cannot copy.
        let error = Arc::new(error);
        let written = self
            .consumer
            .store
            .transact(move |tx| async move {
                if !progress::advance(&tx, group, &at, epoch, bad.offset, bad.offset + 1).await? {
                    return Ok(false);
                }
                let given_up =
                    dead_letter::GivenUp { handler: &*handler, record: &bad, error: &error, attempts };
                dead_letter::put(&tx, &given_up, topic.as_deref(), now).await?;
                Ok::<_, StoreError>(true)
            })
            .await?;
        if written {
            tracing::warn!(
                group = self.consumer.group,
                handler = name,
                topic = record.topic,
                partition = record.partition,
                offset = record.offset,
                attempts,
                cause,
                "gave a record up; it is a dead letter now"
            );
        }
        Ok(written)
    }

    /// Goes where progress is: another owner has taken over, or these records were handled before.
    async fn follow(&mut self, partition: &TopicPartition, records: Vec<Record>) {
        let (group, wanted) = (self.consumer.group, partition.clone());
        let looked = self
            .consumer
            .store
            .read(move |tx| async move { progress::look(&tx, group, &wanted).await })
            .await;
        let Some(owned) = self.owned.get(partition) else { return };
        match looked {
            Ok(Some((epoch, next))) if epoch == owned.epoch => self.member.seek(partition, next),
            Ok(_) => {
                tracing::warn!(
                    group,
                    topic = partition.topic,
                    partition = partition.partition,
                    "another owner has taken the partition over; this one leaves it alone"
                );
                self.member.pause(partition);
                self.owned.remove(partition);
            }
            Err(cause) => {
                tracing::warn!(group, %cause, "progress could not be read; the partition waits");
                self.hold(partition, records, 0, AWAY_PAUSE);
            }
        }
    }
}

/// Whether the database, not the record, is at fault.
fn is_away(error: &HandlerError) -> bool {
    matches!(error, HandlerError::Store(source) if source.is_unavailable())
}

/// A share of the jitter, in 0..1: other records and other attempts have other ones.
fn chance(group: &str, record: Option<&Record>, attempts: u32) -> f64 {
    let bytes = group.bytes().map(u64::from);
    let place = record.map_or([0; 2], |record| [u64::from(record.partition), record.offset]);
    let mix = |seed: u64, part: u64| fastrand::Rng::with_seed(seed ^ part).u64(..);
    fastrand::Rng::with_seed(bytes.chain(place).chain([u64::from(attempts)]).fold(0, mix)).f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_fail_together_come_back_apart_and_the_same_record_always_alike() {
        let record = |offset| Record {
            topic: "orders".to_owned(),
            partition: 0,
            offset,
            time: tidings_model::Timestamp(0),
            key: None,
            headers: Vec::new(),
            value: None,
        };
        let chances: Vec<f64> = (0..100).map(|offset| chance("group", Some(&record(offset)), 1)).collect();
        assert!(chances.iter().all(|chance| (0.0..1.0).contains(chance)));
        let spread = chances
            .iter()
            .fold((1.0_f64, 0.0_f64), |(low, high), chance| (low.min(*chance), high.max(*chance)));
        assert!(spread.0 < 0.1 && spread.1 > 0.9, "{spread:?}");
        assert!((chance("group", Some(&record(7)), 1) - chances[7]).abs() < f64::EPSILON);
    }
}
