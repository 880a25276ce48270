//! Readers: programs that read a topic of Kafka to its end and do nothing with its records, ours and others'. Each runs
//! as a process of its own, tells how long it took from the first record to the last, and is ended by who started it.

mod bare;
mod ours;
mod sick;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::{Args, Subcommand};

pub(crate) use self::ours::PARTITIONS;
use crate::{Failure, process::tell};

/// Which reader a process is.
#[derive(Debug, Subcommand)]
pub(crate) enum Reader {
    /// Our consumer with a handler that does nothing; its progress commits to a SQLite file.
    Ours {
        #[command(flatten)]
        source: Source,
        /// Where its database lies.
        #[arg(long)]
        folder: PathBuf,
    },
    /// librdkafka alone, its messages awaited; it commits its place each five seconds, as it does by default.
    Stream {
        #[command(flatten)]
        source: Source,
    },
    /// librdkafka alone, polled by a thread and told to rest for 10 ms, not a second, when its queue is full; it commits its
    /// place each five seconds, as it does by default.
    Base {
        #[command(flatten)]
        source: Source,
    },
    /// Our consumer at a steady rate of a thousand keys: how long the records of all but one of them wait.
    Sick {
        #[command(flatten)]
        source: Source,
        /// Where its database lies.
        #[arg(long)]
        folder: PathBuf,
        /// Records of the one key fail.
        #[arg(long)]
        fails: bool,
    },
}

/// What a reader reads.
#[derive(Clone, Debug, Args)]
pub(crate) struct Source {
    /// Where the brokers are.
    #[arg(long)]
    brokers: String,
    /// The topic's name.
    #[arg(long)]
    topic: String,
    /// How many records there are, or will be.
    #[arg(long)]
    records: u64,
    /// Which run this is.
    #[arg(long, default_value_t = 0)]
    round: usize,
}

impl Source {
    /// The name of a group that nobody else has.
    fn group(&self, manner: &str) -> String {
        format!("{}-{manner}-{}", self.topic, self.round)
    }
}

impl Reader {
    /// Reads, and tells.
    pub(crate) fn read(self) -> Result<(), Failure> {
        match self {
            Self::Ours { source, folder } => ours::read(&source, &folder),
            Self::Stream { source } => bare::stream(&source),
            Self::Base { source } => bare::base(&source),
            Self::Sick { source, folder, fails } => sick::read(&source, &folder, fails),
        }
    }
}

/// From the first record to the last.
#[derive(Debug, Default)]
struct Span(Option<Instant>);

impl Span {
    fn begin(&mut self) {
        self.0.get_or_insert_with(Instant::now);
    }

    /// Tells the one who started this process, and waits to be ended.
    fn tell(&self) -> Result<(), Failure> {
        let took = self.0.map_or(Duration::ZERO, |begun| begun.elapsed());
        tell(&took.as_secs_f64().to_string())
    }
}
