//! The consumer groups of a server: those of its features, as the settings call them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use tidings::Feature;
use tidings_config::Config;
use tidings_consumer::{Handler, HandlerError, Options};
use tidings_model::Record;
use tidings_store::{StoreError, Tx};

use crate::StartError;

/// Gives groups the names of the settings. Refuses a group that no feature has, and one name for two.
pub(crate) fn name_groups(features: &mut [Feature], config: &Config) -> Result<(), StartError> {
    let handlers = features.iter().flat_map(|feature| &feature.handlers);
    let groups: BTreeSet<String> = handlers.map(|handler| handler.group().to_owned()).collect();
    let refuse = |group: &str, reason: &str| {
        Err(StartError::Setting(format!("groups.\"{}\": {reason}", group.escape_debug())))
    };
    let mut names: BTreeMap<&str, Arc<str>> = BTreeMap::new();
    for (alias, settings) in &config.groups {
        let Some(group) = groups.get(alias) else {
            return refuse(alias, "no feature has such a group");
        };
        if let Some(name) = &settings.name {
            names.insert(group, name.as_str().into());
        }
    }
    let mut taken = BTreeSet::new();
    for group in &groups {
        if !taken.insert(names.get(group.as_str()).map_or(group.as_str(), AsRef::as_ref)) {
            return refuse(group, "another group has this name: each needs its own");
        }
    }
    for feature in features {
        for handler in &mut feature.handlers {
            if let Some(name) = names.get(handler.group()) {
                *handler = Arc::new(Named { inner: Arc::clone(handler), group: Arc::clone(name) });
            }
        }
    }
    Ok(())
}

/// A handler in a group of another name.
struct Named {
    inner: Arc<dyn Handler>,
    group: Arc<str>,
}

#[async_trait]
impl Handler for Named {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn topic(&self) -> &str {
        self.inner.topic()
    }

    fn group(&self) -> &str {
        &self.group
    }

    fn batch(&self) -> usize {
        self.inner.batch()
    }

    fn options(&self, options: Options) -> Options {
        self.inner.options(options)
    }

    async fn reach_out(&self, record: &Record) -> Result<(), HandlerError> {
        self.inner.reach_out(record).await
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        self.inner.handle(record, tx).await
    }

    async fn gave_up(&self, record: &Record, tx: &Tx) -> Result<(), StoreError> {
        self.inner.gave_up(record, tx).await
    }
}
