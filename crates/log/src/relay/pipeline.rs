//! The pipeline: records are sent without waiting for each other, and acknowledged in the order in which they went.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt as _;
use tidings_model::header;
use tokio::time::Instant;

use super::{
    Trouble,
    rows::{self, Numbered, SET_ASIDE, Unpublishable},
    turn::Mark,
};
use crate::{Ack, Log, LogError, Produce};

/// Bytes that may wait for their acknowledgement.
const IN_FLIGHT_BYTES: u64 = 32 << 20;
/// The pause before a full queue is asked again that nothing of ours lies in.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// A row that was sent.
struct Sent {
    topic: String,
    partition: u32,
    seq: u64,
    count: usize,
    bytes: u64,
    set_aside: bool,
    acks: VecDeque<Ack>,
}

/// What one relay has sent of one shard, and what of it was acknowledged.
pub(super) struct Pipeline {
    log: Arc<dyn Log>,
    limit: usize,
    sent: VecDeque<Sent>,
    records: usize,
    bytes: u64,
    // By partition: the newest number before which nothing is missing, and whether something was sent empty.
    acknowledged: BTreeMap<(String, u32), (u64, bool)>,
    since: Option<Instant>,
}

impl Pipeline {
    pub(super) fn new(log: Arc<dyn Log>, limit: usize) -> Self {
        Self {
            log,
            limit,
            sent: VecDeque::new(),
            records: 0,
            bytes: 0,
            acknowledged: BTreeMap::new(),
            since: None,
        }
    }

    /// Sends a row behind those that were sent before. A full queue is waited for here, in place: whatever went on
    /// meanwhile would overtake the row.
    pub(super) async fn send(&mut self, row: Numbered) -> Result<(), Trouble> {
        while self.records >= self.limit || self.bytes >= IN_FLIGHT_BYTES {
            self.settle().await?;
        }
        let mut acks = VecDeque::with_capacity(row.records.len());
        for at in 0..row.records.len() {
            if let Some(ack) = self.enqueue(&row, at).await? {
                acks.push_back(ack);
            }
        }
        self.records += row.records.len();
        self.bytes += row.bytes;
        self.sent.push_back(Sent {
            seq: row.seq,
            count: row.records.len(),
            bytes: row.bytes,
            set_aside: row.set_aside.is_some(),
            topic: row.topic,
            partition: row.partition,
            acks,
        });
        Ok(())
    }

    async fn enqueue(&mut self, row: &Numbered, at: usize) -> Result<Option<Ack>, Trouble> {
        loop {
            match self.log.enqueue(produce(row, at)) {
                Ok(ack) => return Ok(Some(ack)),
                Err(LogError::Full) if self.sent.is_empty() => tokio::time::sleep(FULL_PAUSE).await,
                Err(LogError::Full) => self.settle().await?,
                // Not even its empty number can be sent: nobody can read that topic, so nobody waits for it.
                Err(cause) if rows::never_taken(&cause) && row.why_empty(at).is_some() => return Ok(None),
                Err(cause) if rows::never_taken(&cause) => {
                    return Err(unpublishable(&row.topic, row.partition, row.seq, at, &cause));
                }
                Err(cause) => return Err(Trouble::Log(cause)),
            }
        }
    }

    /// Waits for the oldest acknowledgement, then takes those that are there already. Waits for ever where nothing
    /// is in flight. Cancel safe.
    pub(super) async fn settle(&mut self) -> Result<(), Trouble> {
        let Some(front) = self.sent.front_mut() else { return std::future::pending().await };
        if let Some(ack) = front.acks.front_mut() {
            let answer = ack.await;
            self.answered(answer)?;
        }
        loop {
            while let Some(front) = self.sent.pop_front_if(|front| front.acks.is_empty()) {
                self.acknowledge(front);
            }
            let Some(ack) = self.sent.front_mut().and_then(|front| front.acks.front_mut()) else {
                return Ok(());
            };
            let Some(answer) = ack.now_or_never() else { return Ok(()) };
            self.answered(answer)?;
        }
    }

    /// Waits for everything in flight.
    pub(super) async fn settle_all(&mut self) -> Result<(), Trouble> {
        while !self.sent.is_empty() {
            self.settle().await?;
        }
        Ok(())
    }

    /// Takes the answer to the oldest record that waits for one.
    fn answered(&mut self, answer: Result<crate::LogPlace, LogError>) -> Result<(), Trouble> {
        let Some(front) = self.sent.front_mut() else { return Ok(()) };
        let at = front.count - front.acks.len();
        match answer {
            Ok(_place) => {
                front.acks.pop_front();
                Ok(())
            }
            Err(cause) => {
                // The future is spent: what lies behind it is in doubt.
                let (topic, partition, seq) = (front.topic.clone(), front.partition, front.seq);
                self.sent.clear();
                if rows::never_taken(&cause) {
                    return Err(unpublishable(&topic, partition, seq, at, &cause));
                }
                Err(Trouble::Log(cause))
            }
        }
    }

    fn acknowledge(&mut self, row: Sent) {
        self.records -= row.count;
        self.bytes -= row.bytes;
        let last = row.seq + row.count as u64 - 1;
        let mark = self.acknowledged.entry((row.topic, row.partition)).or_insert((last, false));
        *mark = (last, mark.1 || row.set_aside);
        self.since.get_or_insert_with(Instant::now);
    }

    /// What may be marked.
    pub(super) fn marks(&self) -> Vec<Mark> {
        let marks = self.acknowledged.iter();
        marks
            .map(|((topic, partition), (upto, set_aside))| Mark {
                topic: topic.clone(),
                partition: *partition,
                upto: *upto,
                set_aside: *set_aside,
            })
            .collect()
    }

    /// Forgets what was marked.
    pub(super) fn marked(&mut self, marks: &[Mark]) {
        for mark in marks {
            let key = (mark.topic.clone(), mark.partition);
            if self.acknowledged.get(&key).is_some_and(|(upto, _)| *upto <= mark.upto) {
                self.acknowledged.remove(&key);
            }
        }
        self.since = if self.acknowledged.is_empty() { None } else { Some(Instant::now()) };
    }

    /// When acknowledged rows are to go at the latest.
    pub(super) fn marks_due(&self, after: Duration) -> Option<Instant> {
        self.since.map(|since| since + after)
    }
}

fn unpublishable(topic: &str, partition: u32, seq: u64, record: usize, cause: &LogError) -> Trouble {
    let topic = topic.to_owned();
    Trouble::Unpublishable(Unpublishable { topic, partition, seq, record, reason: cause.to_string() })
}

/// The record as it is sent: with its number, and empty where it was set aside.
fn produce(row: &Numbered, at: usize) -> Produce {
    let number = (header::SEQ.to_owned(), (row.seq + at as u64).to_string().into_bytes());
    let (topic, partition) = (row.topic.clone(), Some(row.partition));
    let record = row.records.get(at);
    if let Some(why) = row.why_empty(at) {
        let headers = vec![number, (SET_ASIDE.to_owned(), why.as_bytes().to_vec())];
        return Produce { topic, partition, key: None, headers, value: None };
    }
    let Some(record) = record else { unreachable!("`at` counts the row's records") };
    // A copy of a record that had a number, such as a dead letter, gets its own.
    let mut headers = record.headers.clone();
    headers.retain(|(name, _)| name != header::SEQ);
    headers.push(number);
    Produce { topic, partition, key: record.key.clone(), headers, value: record.value.clone() }
}
