//! The settings of routes and ways in, and what is said about those that do not hold.

use std::collections::BTreeSet;

use tidings::config::{IngestSettings, RouteSettings};

use crate::{ingest::WayIn, route::Route};

/// A setting that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} {reason}")]
pub struct InvalidSetting {
    /// The key, as in `routes[0].to`: the first table of a list is number 0.
    pub key: String,
    /// What is wrong, and what to do about it.
    pub reason: String,
}

impl InvalidSetting {
    pub(crate) fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into() }
    }
}

/// The topics whose names begin like this are Tidings' own, or Kafka's.
const OWN_TOPICS: [&str; 2] = ["tidings-", "__"];
/// The longest name of a topic, as in Kafka; what is given up on it goes to `<topic>-dlt`.
const MAX_TOPIC_BYTES: usize = 245;

/// Refuses a name that no topic can have, and the topics that are not for everybody.
pub(crate) fn topic(key: &str, name: &str) -> Result<(), InvalidSetting> {
    let refuse = |reason: String| Err(InvalidSetting::new(format!("{key}.topic"), reason));
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() {
        return refuse("must name a topic".to_owned());
    }
    if name.len() > MAX_TOPIC_BYTES || !name.bytes().all(letters) || matches!(name, "." | "..") {
        let shown = name.escape_debug();
        return refuse(format!(
            "`{shown}` is no name of a topic: it has 1 to {MAX_TOPIC_BYTES} letters, digits, `.`, `_` and `-`"
        ));
    }
    if OWN_TOPICS.iter().any(|begin| name.starts_with(begin)) {
        return refuse(format!("`{name}` is internal; what happens to messages is not a message itself"));
    }
    Ok(())
}

/// All routes, those of the settings and those that features bring, each with a group of its own.
pub(crate) fn routes(
    settings: &[RouteSettings],
    shows: &[RouteSettings],
) -> Result<Vec<Route>, InvalidSetting> {
    let mut groups = BTreeSet::new();
    let mut routes = Vec::with_capacity(settings.len() + shows.len());
    let built_in = shows.iter().map(|shows| (format!("route of {}", shows.topic), shows, true));
    let set = settings.iter().enumerate();
    let set = set.map(|(number, settings)| (format!("routes[{number}]"), settings, false));
    for (key, settings, is_built_in) in built_in.chain(set) {
        let route = if is_built_in { Route::built_in(&key, settings) } else { Route::new(&key, settings) }?;
        if !groups.insert(route.group().to_owned()) {
            let reason = format!(
                "`{}` is the group of another route already: give this one a `group` of its own",
                route.group()
            );
            return Err(InvalidSetting::new(format!("{key}.group"), reason));
        }
        routes.push(route);
    }
    Ok(routes)
}

/// All ways in, each with a path of its own.
pub(crate) fn ways_in(settings: &[IngestSettings]) -> Result<Vec<WayIn>, InvalidSetting> {
    let mut paths = BTreeSet::new();
    let mut ways = Vec::with_capacity(settings.len());
    for (number, settings) in settings.iter().enumerate() {
        let key = format!("ingest[{number}]");
        let way = WayIn::new(&key, settings)?;
        if !paths.insert(way.path.clone()) {
            let reason = format!("`{}` is there twice: a path leads to one topic", settings.path);
            return Err(InvalidSetting::new(format!("{key}.path"), reason));
        }
        ways.push(way);
    }
    Ok(ways)
}
