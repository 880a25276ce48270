//! The topics of a server: those of its features and of delivery, as the settings want them.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tidings::Feature;
use tidings_config::Config;
use tidings_consumer::dead_letter_topic;
use tidings_log::{Durability, TopicConfig, TopicSpec};

use crate::StartError;

/// How long dead letters are kept in the log.
const DEAD_LETTERS_KEPT: Duration = Duration::from_hours(14 * 24);

/// All topics, as the settings want them.
pub(crate) fn topics(features: &[Feature], config: &Config) -> Result<Vec<TopicConfig>, StartError> {
    let of_features = features.iter().flat_map(|feature| &feature.topics);
    let specs: Vec<&TopicSpec> =
        std::iter::once(&tidings_delivery::DELIVERIES_TOPIC).chain(of_features).collect();
    let mut topics = Vec::new();
    for spec in &specs {
        let mut topic = TopicConfig::from(*spec);
        if let Some(settings) = config.topics.get(&*spec.name) {
            topic.name = settings.name.clone().unwrap_or(topic.name);
            topic.partitions = settings.partitions.unwrap_or(topic.partitions);
            topic.retention = settings.retention_secs.map_or(topic.retention, Duration::from_secs);
        }
        let of_delivery = spec.name == tidings_delivery::DELIVERIES;
        if of_delivery {
            // Its offsets are the places that everybody sees in one order.
            topic.partitions = spec.partitions;
        }
        // No group reads deliveries or signals.
        if !of_delivery && spec.durability == Durability::Durable {
            let name = dead_letter_topic(&topic.name);
            topics.push(TopicConfig {
                alias: name.clone(),
                name,
                retention: DEAD_LETTERS_KEPT,
                ..topic.clone()
            });
        }
        topics.push(topic);
    }
    // Two features may know one topic, and a route may read dead letters: the first says how it is made.
    let mut made = BTreeSet::new();
    topics.retain(|topic| made.insert(topic.name.clone()));
    match config.topics.keys().find(|alias| !specs.iter().any(|spec| spec.name == alias.as_str())) {
        Some(unknown) => Err(StartError::Setting(format!(
            "topics.\"{}\": no feature writes such a topic",
            unknown.escape_debug()
        ))),
        None => Ok(topics),
    }
}

/// The names in the log of what features write, without dead letters.
pub(crate) fn feature_topics(features: &[Feature], topics: &[TopicConfig]) -> Arc<[String]> {
    let aliases = features.iter().flat_map(|feature| &feature.topics).map(|spec| &*spec.name);
    let named =
        |alias: &str| topics.iter().find(|topic| topic.alias == alias).map(|topic| topic.name.clone());
    aliases.filter_map(named).collect()
}
