//! `tidings produce`.

use std::io::BufRead as _;

use clap::Args;
use serde::Serialize;
use tidings_log::{Log as _, LogPlace, Produce as Record};

use crate::{
    failure::Failure,
    kafka::{Cluster, failed},
    terminal::{say, say_json},
};

/// Write records to a topic of any Kafka cluster: one of a value or a file, or one of each line of the standard input.
#[derive(Debug, Args)]
pub(crate) struct Produce {
    /// The topic.
    topic: String,
    /// The record's value.
    #[arg(long, conflicts_with = "file")]
    value: Option<String>,
    /// A file that holds the record's value, as it is.
    #[arg(long, value_name = "FILE")]
    file: Option<std::path::PathBuf>,
    /// What orders the records: those of one key keep their order.
    #[arg(long)]
    key: Option<String>,
    /// The partition; the key decides where it is absent.
    #[arg(long, value_name = "N")]
    partition: Option<u32>,
    /// A header of each record; may be given several times.
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Print each record's place as one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cluster: Cluster,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("use a name and a value, for example trace=42")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Where a record came to lie.
#[derive(Serialize)]
struct Place<'a> {
    topic: &'a str,
    partition: u32,
    offset: u64,
}

impl Produce {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let log = self.cluster.write().await?;
        let one = match (&self.value, &self.file) {
            (Some(value), _) => Some(value.clone().into_bytes()),
            (None, Some(file)) => Some(std::fs::read(file)?),
            (None, None) => None,
        };
        if let Some(value) = one {
            return self.written(&log.produce(self.record(value)).await.map_err(|cause| failed(&cause))?);
        }
        for line in std::io::stdin().lock().lines() {
            let place = log.produce(self.record(line?.into_bytes())).await;
            self.written(&place.map_err(|cause| failed(&cause))?)?;
        }
        Ok(())
    }

    fn record(&self, value: Vec<u8>) -> Record {
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes()));
        Record {
            topic: self.topic.clone(),
            partition: self.partition,
            key: self.key.clone().map(String::into_bytes),
            headers: headers.collect(),
            value: Some(value),
        }
    }

    fn written(&self, place: &LogPlace) -> Result<(), Failure> {
        let LogPlace { topic, partition, offset } = place;
        if self.json {
            return say_json(&Place { topic, partition: *partition, offset: *offset });
        }
        say(format!("{partition}@{offset}"))
    }
}
