//! `tidings groups`.

use std::collections::BTreeMap;

use clap::Args;
use serde::Serialize;
use tidings_log::{GroupOffset, KafkaLog, Log as _, PartitionState, TopicPartition};

use crate::{
    failure::Failure,
    kafka::{Cluster, failed},
    table::table,
    terminal::{Paint, remark, say, say_json},
};

/// Show the groups of any Kafka cluster with their lag, or one of them by partition; set how far one is.
#[derive(Debug, Args)]
pub(crate) struct Groups {
    /// The group; all of them where it is absent.
    group: Option<String>,
    /// Where the group is to go on: `earliest`, `latest` or an offset. Shows what would change; --yes does it.
    #[arg(long, value_name = "WHERE", requires = "group", value_parser = target)]
    reset: Option<Target>,
    /// Only this topic is reset.
    #[arg(long, requires = "reset")]
    topic: Option<String>,
    /// Only this partition is reset.
    #[arg(long, value_name = "N", requires = "topic")]
    partition: Option<u32>,
    /// Do what --reset shows. The group must have no members.
    #[arg(long, requires = "reset")]
    yes: bool,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    cluster: Cluster,
}

/// Where a group is to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Earliest,
    Latest,
    At(u64),
}

fn target(text: &str) -> Result<Target, String> {
    match text {
        "earliest" => Ok(Target::Earliest),
        "latest" => Ok(Target::Latest),
        offset => {
            offset.parse().map(Target::At).map_err(|_cause| "use earliest, latest or an offset".to_owned())
        }
    }
}

/// A group in the list.
#[derive(Debug, Serialize)]
struct Listed {
    group: String,
    topics: usize,
    partitions: usize,
    lag: u64,
}

/// One partition of a group.
#[derive(Debug, Serialize)]
struct Described {
    topic: String,
    partition: u32,
    next_offset: u64,
    end_offset: u64,
    lag: u64,
    /// Who owns it now.
    member: Option<String>,
}

/// What a reset does to one partition.
#[derive(Debug, Serialize)]
struct Change {
    topic: String,
    partition: u32,
    from: u64,
    to: u64,
    /// How many records the group reads again; negative where it passes over some.
    again: i128,
    done: bool,
}

impl Groups {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let log = self.cluster.look().await?;
        let offsets = log.group_offsets().await.map_err(|cause| failed(&cause))?;
        let Some(group) = &self.group else { return self.list(offsets) };
        let ours: Vec<GroupOffset> = offsets.into_iter().filter(|offset| offset.group == *group).collect();
        match self.reset {
            Some(target) => self.reset(&log, group, ours, target).await,
            None => self.describe(&log, group, ours).await,
        }
    }

    fn list(&self, offsets: Vec<GroupOffset>) -> Result<(), Failure> {
        let mut groups: BTreeMap<String, Vec<GroupOffset>> = BTreeMap::new();
        for offset in offsets {
            groups.entry(offset.group.clone()).or_default().push(offset);
        }
        let listed: Vec<Listed> = groups
            .into_iter()
            .map(|(group, offsets)| {
                let mut topics: Vec<&str> =
                    offsets.iter().map(|offset| offset.partition.topic.as_str()).collect();
                topics.dedup();
                Listed {
                    group,
                    topics: topics.len(),
                    partitions: offsets.len(),
                    lag: offsets.iter().map(lag).sum(),
                }
            })
            .collect();
        if self.json {
            return say_json(&listed);
        }
        let rows = listed.into_iter().map(|listed| {
            [listed.group, listed.topics.to_string(), listed.partitions.to_string(), listed.lag.to_string()]
        });
        say(table(Paint::stdout(), ["group", "topics", "partitions", "lag"], rows.collect()))
    }

    async fn describe(&self, log: &KafkaLog, group: &str, offsets: Vec<GroupOffset>) -> Result<(), Failure> {
        let state = log.group(group).await.map_err(|cause| failed(&cause))?;
        if offsets.is_empty() && state.members.is_empty() {
            return Err(Failure::new(format!("no group `{group}`; `tidings groups` lists them")));
        }
        let owner = |of: &TopicPartition| {
            let owner = state.members.iter().find(|member| member.partitions.contains(of))?;
            Some(format!("{}{}", owner.client, owner.host))
        };
        let described: Vec<Described> = offsets
            .into_iter()
            .map(|offset| Described {
                member: owner(&offset.partition),
                lag: lag(&offset),
                next_offset: offset.next_offset,
                end_offset: offset.end_offset,
                topic: offset.partition.topic,
                partition: offset.partition.partition,
            })
            .collect();
        if self.json {
            return say_json(&described);
        }
        let rows = described.into_iter().map(|row| {
            [
                row.topic,
                row.partition.to_string(),
                row.next_offset.to_string(),
                row.end_offset.to_string(),
                row.lag.to_string(),
                row.member.unwrap_or_else(|| "-".to_owned()),
            ]
        });
        let heading = ["topic", "partition", "offset", "end", "lag", "owner"];
        say(table(Paint::stdout(), heading, rows.collect()))
    }

    async fn reset(
        &self,
        log: &KafkaLog,
        group: &str,
        offsets: Vec<GroupOffset>,
        target: Target,
    ) -> Result<(), Failure> {
        let topics = log.topics().await.map_err(|cause| failed(&cause))?;
        let state = |of: &TopicPartition| {
            let topic = topics.iter().find(|topic| topic.name == of.topic)?;
            topic.partitions.iter().find(|state| state.partition == of.partition).copied()
        };
        let chosen = offsets.into_iter().filter(|offset| {
            self.topic.as_ref().is_none_or(|topic| *topic == offset.partition.topic)
                && self.partition.is_none_or(|partition| partition == offset.partition.partition)
        });
        let mut changes: Vec<Change> = chosen
            .filter_map(|offset| {
                let to = place(target, state(&offset.partition)?);
                Some(Change {
                    topic: offset.partition.topic,
                    partition: offset.partition.partition,
                    from: offset.next_offset,
                    to,
                    again: i128::from(offset.next_offset) - i128::from(to),
                    done: false,
                })
            })
            .collect();
        if changes.is_empty() {
            return Err(Failure::new(format!("the group `{group}` has committed nothing there")));
        }
        if self.yes {
            for change in &mut changes {
                let of = TopicPartition { topic: change.topic.clone(), partition: change.partition };
                log.reset(group, of, change.to).await.map_err(|cause| failed(&cause))?;
                change.done = true;
            }
        }
        if self.json {
            return say_json(&changes);
        }
        let rows = changes.into_iter().map(|change| {
            [
                change.topic,
                change.partition.to_string(),
                change.from.to_string(),
                change.to.to_string(),
                change.again.to_string(),
            ]
        });
        say(table(Paint::stdout(), ["topic", "partition", "from", "to", "read again"], rows.collect()))?;
        if !self.yes {
            remark("nothing was changed; --yes does it");
        }
        Ok(())
    }
}

fn lag(offset: &GroupOffset) -> u64 {
    offset.end_offset.saturating_sub(offset.next_offset)
}

/// The place in a partition, within what it has.
fn place(target: Target, state: PartitionState) -> u64 {
    match target {
        Target::Earliest => state.first_offset,
        Target::Latest => state.next_offset,
        Target::At(offset) => offset.clamp(state.first_offset, state.next_offset),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_set_within_what_there_is() {
        let state = PartitionState { partition: 0, first_offset: 10, next_offset: 20, bytes: None };
        let placed = [Target::Earliest, Target::Latest, Target::At(15), Target::At(1), Target::At(99)];
        assert_eq!(placed.map(|target| place(target, state)), [10, 20, 15, 10, 20]);
        assert_eq!((target("latest"), target("7")), (Ok(Target::Latest), Ok(Target::At(7))));
        assert!(target("soon").is_err());
    }
}
