//! Records that were fetched and not yet asked for, by partition: whoever polls is served from each in turn, and what
//! is paused waits here. Bounded by what [`Buffer::has_room`] and [`Buffer::overflowing`] say.

use std::collections::{BTreeMap, VecDeque};

use tidings_model::Record;

use crate::TopicPartition;

/// How far is looked ahead for partitions that are behind a busy one.
const AHEAD_RECORDS: usize = 1000;
/// The same in bytes of values.
const AHEAD_BYTES: usize = 8 << 20;
/// What a paused partition may hold before no more of it is fetched.
const PAUSED_RECORDS: usize = 100;
/// The same in bytes of values.
const PAUSED_BYTES: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Buffer {
    partitions: BTreeMap<TopicPartition, Held>,
    // Who is served next: nobody twice in a row while another has records.
    turn: VecDeque<TopicPartition>,
}

#[derive(Debug, Default)]
struct Held {
    records: VecDeque<Record>,
    bytes: usize,
    paused: bool,
    // The client was told to fetch no more of it.
    stopped: bool,
}

fn bytes(record: &Record) -> usize {
    record.value.as_ref().map_or(0, Vec::len)
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
        if self.partitions.insert(partition.clone(), Held::default()).is_none() {
            self.turn.push_back(partition);
        }
    }

    pub(super) fn remove(&mut self, partition: &TopicPartition) {
        self.partitions.remove(partition);
        self.turn.retain(|other| other != partition);
    }

    /// Takes in a record; one of a partition that is no longer owned is somebody else's.
    pub(super) fn push(&mut self, record: Record) {
        let of = TopicPartition { topic: record.topic.clone(), partition: record.partition };
        if let Some(held) = self.partitions.get_mut(&of) {
            held.bytes += bytes(&record);
            held.records.push_back(record);
        }
    }

    /// Forgets what was fetched of a partition.
    pub(super) fn clear(&mut self, partition: &TopicPartition) {
        if let Some(held) = self.partitions.get_mut(partition) {
            held.records.clear();
            held.bytes = 0;
        }
    }

    pub(super) fn pause(&mut self, partition: &TopicPartition) {
        if let Some(held) = self.partitions.get_mut(partition) {
            held.paused = true;
        }
    }

    /// Serves a partition again; whether the client must be told to fetch it again.
    pub(super) fn resume(&mut self, partition: &TopicPartition) -> bool {
        self.partitions.get_mut(partition).is_some_and(|held| {
            held.paused = false;
            std::mem::take(&mut held.stopped)
        })
    }

    /// Whether more may be taken in.
    pub(super) fn has_room(&self) -> bool {
        let served = self.partitions.values().filter(|held| !held.paused);
        let (records, bytes) =
            served.fold((0, 0), |(records, bytes), held| (records + held.records.len(), bytes + held.bytes));
        records < AHEAD_RECORDS && bytes < AHEAD_BYTES
    }

    /// A paused partition that holds as much as it may; it counts as told.
    pub(super) fn overflowing(&mut self) -> Option<TopicPartition> {
        let (partition, held) = self.partitions.iter_mut().find(|(_, held)| {
            held.paused
                && !held.stopped
                && (held.records.len() >= PAUSED_RECORDS || held.bytes >= PAUSED_BYTES)
        })?;
        held.stopped = true;
        Some(partition.clone())
    }

    /// The next run of records of one partition, at most `limit`.
    pub(super) fn next_run(&mut self, limit: usize) -> Option<Vec<Record>> {
        let ready = |partition: &TopicPartition| {
            self.partitions.get(partition).is_some_and(|held| !held.paused && !held.records.is_empty())
        };
        let at = self.turn.iter().position(ready)?;
        let partition = self.turn.remove(at)?;
        let held = self.partitions.get_mut(&partition)?;
        let run: Vec<Record> = held.records.drain(..limit.max(1).min(held.records.len())).collect();
        held.bytes -= run.iter().map(bytes).sum::<usize>();
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
        buffer.add(of(0));
        buffer.pause(&of(0));
        for offset in 0..PAUSED_RECORDS as u64 {
            assert_eq!(buffer.overflowing(), None);
            buffer.push(record(0, offset));
        }
        assert_eq!((buffer.overflowing(), buffer.overflowing()), (Some(of(0)), None));
        assert!(buffer.has_room());
        assert_eq!(places(buffer.next_run(1)), []);
        assert!(buffer.resume(&of(0)), "the client must fetch it again");
        assert_eq!(places(buffer.next_run(1)), [(0, 0)]);
        assert!(!buffer.resume(&of(0)));
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
        assert_eq!(taken, AHEAD_RECORDS as u64);
    }
}
