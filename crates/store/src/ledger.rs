//! The ledger: what the writer knows of the log's partitions without asking the file.
//!
//! There is one writer, so the next offset and the bytes of a partition can be kept in memory and written
//! once a turn, whatever number of records the turn appends; and the bound of a topic costs an append two
//! comparisons. A body that fails takes its entries back; a turn that fails drops the ledger, and the next
//! one is read from the file.

use std::collections::HashMap;

use rusqlite::Connection;

use crate::{Heads, StoreError, TopicPartitions};

/// What the writer knows of one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// The first partition of its topic, which stands for the topic.
    topic: u32,
    /// The oldest offset that is kept.
    pub(crate) first_offset: u64,
    /// The offset of the next record.
    pub(crate) next_offset: u64,
    /// Bytes of keys, headers and values that are kept.
    pub(crate) bytes: u64,
}

/// All partitions, and what the turn has changed.
#[derive(Debug)]
pub(crate) struct Ledger {
    lines: HashMap<u32, Line>,
    // Bytes by the first partition of a topic.
    topics: HashMap<u32, u64>,
    total: u64,
    limit: u64,
    // Partitions as they were before the running body changed them, in the order of the changes.
    journal: Vec<(u32, Line)>,
    // Partitions whose rows are behind.
    dirty: Vec<u32>,
}

impl Ledger {
    /// Reads the ledger from the file. `limit` bounds the bytes of all topics together.
    pub(crate) fn load(connection: &Connection, limit: u64) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Statement {
            statement: "SELECT FROM log_partitions".to_owned(),
            source: rusqlite::Error::into(source),
        };
        let mut ledger = Self {
            lines: HashMap::new(),
            topics: HashMap::new(),
            total: 0,
            limit,
            journal: Vec::new(),
            dirty: Vec::new(),
        };
        let mut statement = connection
            .prepare(
                "SELECT partition_number, first_partition, first_offset, next_offset, bytes
                 FROM log_partitions
                 JOIN log_topics
                   ON partition_number >= first_partition AND partition_number < first_partition + partitions",
            )
            .map_err(failed)?;
        let lines = statement
            .query_map([], |row| {
                let line = Line {
                    topic: row.get(1)?,
                    first_offset: row.get::<_, i64>(2)?.cast_unsigned(),
                    next_offset: row.get::<_, i64>(3)?.cast_unsigned(),
                    bytes: row.get::<_, i64>(4)?.cast_unsigned(),
                };
                Ok((row.get::<_, u32>(0)?, line))
            })
            .map_err(failed)?;
        for line in lines {
            let (number, line) = line.map_err(failed)?;
            ledger.total += line.bytes;
            *ledger.topics.entry(line.topic).or_default() += line.bytes;
            ledger.lines.insert(number, line);
        }
        Ok(ledger)
    }

    /// Tells the heads where the partitions end.
    pub(crate) fn publish_all(&self, heads: &Heads) {
        for (number, line) in &self.lines {
            heads.publish(*number, line.next_offset);
        }
    }

    /// Takes the next offset of a partition for a record of this size.
    pub(crate) fn append(
        &mut self,
        topic: &TopicPartitions,
        number: u32,
        bytes: u64,
    ) -> Result<u64, StoreError> {
        let held = self.topics.entry(topic.first_partition).or_default();
        if *held + bytes > topic.bytes_limit || self.total + bytes > self.limit {
            return Err(StoreError::LogFull { topic: topic.name.clone(), bytes: *held });
        }
        *held += bytes;
        self.total += bytes;
        let before = *self
            .lines
            .entry(number)
            .or_insert_with(|| Line { topic: topic.first_partition, ..Line::default() });
        self.change(
            number,
            before,
            Line { next_offset: before.next_offset + 1, bytes: before.bytes + bytes, ..before },
        );
        Ok(before.next_offset)
    }

    /// Notes that the records before `first_offset`, of this many bytes, are no longer kept.
    pub(crate) fn trim(&mut self, number: u32, first_offset: u64, bytes: u64) {
        let Some(before) = self.lines.get(&number).copied() else { return };
        if first_offset <= before.first_offset {
            return;
        }
        let freed = bytes.min(before.bytes);
        self.add_bytes(before.topic, before.bytes, before.bytes - freed);
        self.change(number, before, Line { first_offset, bytes: before.bytes - freed, ..before });
    }

    /// A partition, if anything was ever appended to it or it was there at the start.
    pub(crate) fn line(&self, number: u32) -> Option<Line> {
        self.lines.get(&number).copied()
    }

    fn change(&mut self, number: u32, before: Line, after: Line) {
        self.journal.push((number, before));
        self.lines.insert(number, after);
        if !self.dirty.contains(&number) {
            self.dirty.push(number);
        }
    }

    fn add_bytes(&mut self, topic: u32, before: u64, after: u64) {
        let held = self.topics.entry(topic).or_default();
        *held = (*held + after).saturating_sub(before);
        self.total = (self.total + after).saturating_sub(before);
    }

    /// How many changes the running body has made.
    pub(crate) fn mark(&self) -> usize {
        self.journal.len()
    }

    /// Takes back what came after a mark.
    pub(crate) fn roll_back_to(&mut self, mark: usize) {
        while self.journal.len() > mark {
            let Some((number, before)) = self.journal.pop() else { break };
            if let Some(now) = self.lines.insert(number, before) {
                self.add_bytes(before.topic, now.bytes, before.bytes);
            }
        }
    }

    /// Ends a body: with its entries kept, or taken back.
    pub(crate) fn end_body(&mut self, keep: bool) {
        if !keep {
            self.roll_back_to(0);
        }
        self.journal.clear();
    }

    /// Writes the rows of the turn's partitions, before its commit.
    pub(crate) fn write(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        for number in self.dirty.drain(..) {
            let Some(line) = self.lines.get(&number) else { continue };
            connection
                .prepare_cached(
                    "UPDATE log_partitions SET first_offset = ?2, next_offset = ?3, bytes = ?4
                     WHERE partition_number = ?1",
                )?
                .execute((
                    number,
                    line.first_offset.cast_signed(),
                    line.next_offset.cast_signed(),
                    line.bytes.cast_signed(),
                ))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(bytes_limit: u64) -> TopicPartitions {
        TopicPartitions { name: "orders".to_owned(), first_partition: 1, partitions: 2, bytes_limit }
    }

    fn ledger(limit: u64) -> Ledger {
        Ledger {
            lines: HashMap::new(),
            topics: HashMap::new(),
            total: 0,
            limit,
            journal: Vec::new(),
            dirty: Vec::new(),
        }
    }

    #[test]
    fn a_body_that_fails_leaves_offsets_and_bytes_as_they_were() {
        let mut ledger = ledger(1000);
        assert_eq!(ledger.append(&topic(1000), 1, 10).unwrap(), 0);
        ledger.end_body(true);
        assert_eq!(ledger.append(&topic(1000), 1, 10).unwrap(), 1);
        assert_eq!(ledger.append(&topic(1000), 2, 10).unwrap(), 0);
        ledger.end_body(false);
        assert_eq!(ledger.line(1).map(|line| (line.next_offset, line.bytes)), Some((1, 10)));
        assert_eq!((ledger.topics[&1], ledger.total), (10, 10));
        assert_eq!(ledger.append(&topic(1000), 1, 10).unwrap(), 1);
    }

    #[test]
    fn a_topic_at_its_bound_takes_nothing_until_it_is_trimmed() {
        let mut ledger = ledger(1000);
        ledger.append(&topic(25), 1, 20).unwrap();
        assert!(matches!(ledger.append(&topic(25), 2, 10), Err(StoreError::LogFull { bytes: 20, .. })));
        ledger.trim(1, 1, 20);
        ledger.append(&topic(25), 2, 10).unwrap();
    }

    #[test]
    fn all_topics_together_have_a_bound() {
        let mut ledger = ledger(30);
        ledger.append(&topic(100), 1, 20).unwrap();
        assert!(ledger.append(&topic(100), 1, 20).is_err());
    }
}
