//! A *line* is what waits together: the records of one key, or one record without a key, alone.

use std::{ops::Range, sync::Arc};

use tidings_model::Record;

/// The name of a line within its partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Line(Arc<[u8]>);

impl Line {
    /// The line of a record.
    pub(crate) fn of(record: &Record) -> Self {
        let named = |kind: u8, name: &[u8]| std::iter::once(kind).chain(name.iter().copied()).collect();
        Self(match &record.key {
            Some(key) => named(b'k', key),
            None => named(b'o', &record.offset.to_be_bytes()),
        })
    }

    /// Before every other line.
    pub(crate) fn first() -> Self {
        Self(Arc::from([]))
    }

    /// As its column holds it.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Which of `lanes` works it: always the same one, so that one line never runs twice at once.
    pub(crate) fn slot(&self, lanes: usize) -> usize {
        // FNV-1a: cheap, and even enough to spread keys over a handful of lanes.
        let hash = self.0.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        usize::try_from(hash % lanes.max(1) as u64).unwrap_or(0)
    }
}

impl From<Vec<u8>> for Line {
    fn from(column: Vec<u8>) -> Self {
        Self(column.into())
    }
}

/// A record that was taken in, on its way through this process.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    /// The record.
    pub(crate) record: Record,
    /// Other offsets that are done when this record is: holes that retention and compaction left before it, and
    /// records that come again behind it.
    pub(crate) also: Vec<Range<u64>>,
    /// Whether it has no effect, because it is a repeat.
    pub(crate) is_repeat: bool,
}

impl Taken {
    /// Bytes that it holds in memory: key, headers, value.
    pub(crate) fn bytes(&self) -> usize {
        let record = &self.record;
        let headers = record.headers.iter().map(|(name, value)| name.len() + value.len());
        record.key.as_ref().map_or(0, Vec::len)
            + record.value.as_ref().map_or(0, Vec::len)
            + headers.sum::<usize>()
    }
}

/// How much some records are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    /// Records.
    pub(crate) records: usize,
    /// Their bytes.
    pub(crate) bytes: usize,
}

impl Amount {
    /// These came.
    pub(crate) fn add<'a>(&mut self, taken: impl IntoIterator<Item = &'a Arc<Taken>>) {
        for taken in taken {
            self.records += 1;
            self.bytes += taken.bytes();
        }
    }

    /// These went.
    pub(crate) fn subtract<'a>(&mut self, taken: impl IntoIterator<Item = &'a Arc<Taken>>) {
        for taken in taken {
            self.records -= 1;
            self.bytes -= taken.bytes();
        }
    }
}
