//! All that is said on streams and topics, collected for the reference: by features, by delivery, by the gateway.

use std::borrow::Cow;

use tidings::Feature;
use tidings_api::{Spoken, SpokenCommand, SpokenFrame, SpokenRecord};
use tidings_consumer::dead_letter_topic;
use tidings_gateway::Commands;
use tidings_log::{TopicConfig, TopicSpec};

/// A topic, and who reads it.
#[derive(Debug)]
pub(crate) struct SpokenTopic {
    /// As the log has it.
    pub(crate) made: TopicConfig,
    /// What orders its records, in words.
    pub(crate) key: Cow<'static, str>,
    /// The groups that read it.
    pub(crate) groups: Vec<String>,
    /// The topic whose dead letters it has, by the name features know it by.
    pub(crate) dead_letters_of: Option<String>,
}

/// All that is said.
#[derive(Debug)]
pub(crate) struct Words {
    /// Events and signals.
    pub(crate) frames: Vec<SpokenFrame>,
    /// Frames of the session.
    pub(crate) session: Vec<Spoken>,
    /// What clients may say.
    pub(crate) commands: Vec<SpokenCommand>,
    /// The topics.
    pub(crate) topics: Vec<SpokenTopic>,
    /// Their records.
    pub(crate) records: Vec<SpokenRecord>,
}

impl Words {
    /// What a server says whose features these are.
    pub(crate) fn of(features: &[Feature], made: &[TopicConfig], commands: &Commands) -> Self {
        let of_features = features.iter().flat_map(|feature| feature.frames.iter().cloned());
        let records = features.iter().flat_map(|feature| feature.records.iter().cloned());
        let own = tidings_gateway::own_commands().into_iter();
        Self {
            frames: tidings_delivery::frames().into_iter().chain(of_features).collect(),
            session: tidings_gateway::session_frames(),
            commands: own.chain(commands.spoken()).collect(),
            topics: made.iter().map(|topic| spoken(topic, features, made)).collect(),
            records: tidings_delivery::records().into_iter().chain(records).collect(),
        }
    }
}

fn spoken(topic: &TopicConfig, features: &[Feature], made: &[TopicConfig]) -> SpokenTopic {
    let of = made.iter().find(|source| dead_letter_topic(&source.name) == topic.name);
    let alias = of.map_or(&topic.alias, |source| &source.alias);
    let specs = features.iter().flat_map(|feature| &feature.topics);
    let known = |spec: &&TopicSpec| spec.name == alias.as_str();
    let key = specs.chain(std::iter::once(&tidings_delivery::DELIVERIES_TOPIC)).find(known);
    let handlers = features.iter().flat_map(|feature| &feature.handlers);
    let reads = handlers.filter(|handler| handler.topic() == topic.alias);
    let mut groups: Vec<String> = reads.map(|handler| handler.group().to_owned()).collect();
    groups.sort_unstable();
    groups.dedup();
    SpokenTopic {
        made: topic.clone(),
        key: key.map_or(Cow::Borrowed("none"), |spec| Cow::Borrowed(spec.key)),
        groups,
        dead_letters_of: of.map(|source| source.alias.clone()),
    }
}
