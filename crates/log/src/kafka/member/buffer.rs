//! Records that were fetched and not yet asked for, by partition: whoever polls is served from each in turn, and what
//! is paused waits here. Bounded by what [`Buffer::has_room`] says and [`Buffer::push`] answers.

use std::collections::{BTreeMap, VecDeque};

use tidings_model::Record;

use crate::TopicPartition;

/// How far is looked ahead for partitions that are behind a busy one. Little, as the client fetches ahead by itself: a
/// record that waits here has left the processor's caches when it is worked on.
const AHEAD: Amount = Amount { records: 500, bytes: 8 << 20 };
/// Records of a run, at most, for the same reason.
const RUN: usize = 200;
/// What paused partitions may hold together before no more is fetched of the one that holds most. More than the client
/// fetches ahead: to stop fetching throws away what was fetched, so it is for those that stay paused.
const PAUSED: Amount = Amount { records: 40_000, bytes: 16 << 20 };
/// A partition that was stopped is fetched again when it holds less than this.
const LOW: usize = 1_000;

/// Records, and the bytes of their values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    records: usize,
    bytes: usize,
}

impl Amount {
    fn of(record: &Record) -> Self {
        Self { records: 1, bytes: record.value.as_ref().map_or(0, Vec::len) }
    }

    fn add(&mut self, other: Self) {
        self.records += other.records;
        self.bytes += other.bytes;
    }

    fn subtract(&mut self, other: Self) {
        self.records -= other.records;
        self.bytes -= other.bytes;
    }

    fn reaches(self, limit: Self) -> bool {
        self.records >= limit.records || self.bytes >= limit.bytes
    }
}

#[derive(Debug, Default)]
pub(super) struct Buffer {
    partitions: BTreeMap<TopicPartition, Held>,
    // Who is served next: nobody twice in a row while another has records.
    turn: VecDeque<TopicPartition>,
    // What those that are served hold, and what those that are paused hold.
    served: Amount,
    paused: Amount,
}

#[derive(Debug, Default)]
struct Held {
    records: VecDeque<Record>,
    amount: Amount,
    paused: bool,
    // The client was told to fetch no more of it.
    stopped: bool,
}

impl Buffer {
    /// What is owned, in order.
    pub(super) fn owned(&self) -> Vec<TopicPartition> {
        self.partitions.keys().cloned().collect()
    }

    pub(super) fn owns(&self, partition: &TopicPartition) -> bool {
        self.partitions.contains_key(partition)
    }

    pub(super) fn add(&mut self, partition: TopicPartition) {
        self.clear(&partition);
        if self.partitions.insert(partition.clone(), Held::default()).is_none() {
            self.turn.push_back(partition);
        }
    }

    pub(super) fn remove(&mut self, partition: &TopicPartition) {
        self.clear(partition);
        self.partitions.remove(partition);
        self.turn.retain(|other| other != partition);
    }

    /// Takes in a record; one of a partition that is no longer owned is somebody else's. Answers the partition of
    /// which no more is to be fetched from here on; it counts as told.
    pub(super) fn push(&mut self, mut record: Record) -> Option<TopicPartition> {
        // Lent, not copied: this runs for each record there is.
        let of = TopicPartition { topic: std::mem::take(&mut record.topic), partition: record.partition };
        let held = self.partitions.get_mut(&of)?;
        record.topic = of.topic;
        let amount = Amount::of(&record);
        held.amount.add(amount);
        held.records.push_back(record);
        if !held.paused {
            self.served.add(amount);
            return None;
        }
        self.paused.add(amount);
        if self.paused.reaches(PAUSED) { self.stop() } else { None }
    }

    /// The paused partition that holds most, if it is fetched still.
    fn stop(&mut self) -> Option<TopicPartition> {
        let fetched = self.partitions.iter_mut().filter(|(_, held)| held.paused && !held.stopped);
        let (partition, held) = fetched.max_by_key(|(_, held)| held.amount.bytes)?;
        held.stopped = true;
        Some(partition.clone())
    }

    /// Forgets what was fetched of a partition.
    pub(super) fn clear(&mut self, partition: &TopicPartition) {
        if let Some(held) = self.partitions.get_mut(partition) {
            held.records.clear();
            let of = if held.paused { &mut self.paused } else { &mut self.served };
            of.subtract(std::mem::take(&mut held.amount));
        }
    }

    pub(super) fn pause(&mut self, partition: &TopicPartition) {
        if let Some(held) = self.partitions.get_mut(partition)
            && !std::mem::replace(&mut held.paused, true)
        {
            self.served.subtract(held.amount);
            self.paused.add(held.amount);
        }
    }

    /// Serves a partition again.
    pub(super) fn resume(&mut self, partition: &TopicPartition) {
        if let Some(held) = self.partitions.get_mut(partition)
            && std::mem::take(&mut held.paused)
        {
            self.paused.subtract(held.amount);
            self.served.add(held.amount);
        }
    }

    /// A partition that is served, was stopped and holds little by now: it is to be fetched again, and counts as told.
    pub(super) fn runs_low(&mut self) -> Option<TopicPartition> {
        let low = |held: &Held| held.stopped && !held.paused && held.records.len() < LOW;
        let (partition, held) = self.partitions.iter_mut().find(|(_, held)| low(held))?;
        held.stopped = false;
        Some(partition.clone())
    }

    /// Whether more may be taken in.
    pub(super) fn has_room(&self) -> bool {
        !self.served.reaches(AHEAD)
    }

    /// The next run of records of one partition, at most `limit` and [`RUN`].
    pub(super) fn next_run(&mut self, limit: usize) -> Option<Vec<Record>> {
        let ready = |partition: &TopicPartition| {
            self.partitions.get(partition).is_some_and(|held| !held.paused && !held.records.is_empty())
        };
        let at = self.turn.iter().position(ready)?;
        let partition = self.turn.remove(at)?;
        let held = self.partitions.get_mut(&partition)?;
        let run: Vec<Record> = held.records.drain(..limit.clamp(1, RUN).min(held.records.len())).collect();
        for record in &run {
            held.amount.subtract(Amount::of(record));
            self.served.subtract(Amount::of(record));
        }
        self.turn.push_back(partition);
        Some(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(partition: u32) -> TopicPartition {
        TopicPartition { topic: "orders".to_owned(), partition }
    }

    fn record(partition: u32, offset: u64) -> Record {
        Record {
            topic: "orders".to_owned(),
            partition,
            offset,
            time: tidings_model::Timestamp(0),
            key: None,
            headers: Vec::new(),
            value: Some(vec![0; 10]),
        }
    }

    fn places(run: Option<Vec<Record>>) -> Vec<(u32, u64)> {
        run.unwrap_or_default().iter().map(|record| (record.partition, record.offset)).collect()
    }

    #[test]
    fn partitions_are_served_in_turn() {
        let mut buffer = Buffer::default();
        for partition in [0, 1] {
            buffer.add(of(partition));
        }
        for offset in 0..4 {
            buffer.push(record(0, offset));
        }
        buffer.push(record(1, 0));
        assert_eq!(places(buffer.next_run(2)), [(0, 0), (0, 1)]);
        assert_eq!(places(buffer.next_run(2)), [(1, 0)]);
        assert_eq!(places(buffer.next_run(2)), [(0, 2), (0, 3)]);
        assert_eq!(places(buffer.next_run(2)), []);
    }

    #[test]
    fn a_paused_partition_takes_no_room_and_is_stopped_once_it_holds_much() {
        let mut buffer = Buffer::default();
        for partition in [0, 1] {
            buffer.add(of(partition));
            buffer.pause(&of(partition));
        }
        let mut stopped = buffer.push(record(1, 0));
        for offset in 0..PAUSED.records as u64 - 2 {
            assert_eq!(stopped, None);
            stopped = buffer.push(record(0, offset));
        }
        assert_eq!(stopped, None);
        assert_eq!(buffer.push(record(1, 1)), Some(of(0)), "it holds most");
        assert!(buffer.has_room());
        assert_eq!(places(buffer.next_run(1)), []);
        buffer.resume(&of(0));
        while buffer.runs_low().is_none() {
            assert!(buffer.served.records >= LOW);
            assert_eq!(buffer.next_run(100).map(|run| run.len()), Some(100));
        }
        assert_eq!(buffer.runs_low(), None, "the client was told");
    }

    #[test]
    fn what_is_held_is_counted_whatever_becomes_of_it() {
        let mut buffer = Buffer::default();
        for partition in [0, 1, 2] {
            buffer.add(of(partition));
            for offset in 0..3 {
                buffer.push(record(partition, offset));
            }
        }
        let held = |records| Amount { records, bytes: 10 * records };
        buffer.pause(&of(0));
        buffer.pause(&of(0));
        buffer.push(record(0, 3));
        assert_eq!((buffer.served, buffer.paused), (held(6), held(4)));
        buffer.resume(&of(0));
        buffer.resume(&of(0));
        buffer.pause(&of(1));
        buffer.clear(&of(1));
        buffer.remove(&of(2));
        assert_eq!((buffer.served, buffer.paused), (held(4), held(0)));
        assert_eq!(buffer.next_run(3).map(|run| run.len()), Some(3));
        assert_eq!((buffer.served, buffer.paused), (held(1), held(0)));
    }

    #[test]
    fn what_is_somebody_elses_is_dropped() {
        let mut buffer = Buffer::default();
        buffer.add(of(0));
        buffer.push(record(0, 0));
        buffer.remove(&of(0));
        buffer.push(record(0, 1));
        assert_eq!(places(buffer.next_run(10)), []);
    }

    #[test]
    fn there_is_an_end_to_looking_ahead() {
        let mut buffer = Buffer::default();
        buffer.add(of(0));
        let mut taken = 0;
        while buffer.has_room() {
            buffer.push(record(0, taken));
            taken += 1;
        }
        assert_eq!(taken, AHEAD.records as u64);
        assert_eq!(buffer.next_run(AHEAD.records).map(|run| run.len()), Some(RUN));
    }
}
