//! The features of a server, their tables, and what clients may say to them.

use std::sync::Arc;

use tidings::{Deps, Feature};
use tidings_community::Entrance;
use tidings_config::Config;
use tidings_gateway::Commands;
use tidings_model::Clock;
use tidings_store::Migration;

use crate::{StartError, identity, settings};

/// The only list of features.
pub(crate) fn features(
    deps: &Deps,
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<Feature>, StartError> {
    let entrance = Entrance {
        mint: identity::mint(&config.auth, clock),
        signup: config.auth.signup,
        logins_per_minute: config.limits.logins_per_minute,
    };
    let mut features = vec![
        tidings_broadcast::feature(deps, settings::signer(config)?),
        tidings_orders::feature(deps),
        tidings_community::feature(deps, entrance),
        tidings_chat::feature(deps, &config.limits),
    ];
    let shows: Vec<_> = features.iter().flat_map(|feature| feature.shows.clone()).collect();
    features.push(tidings_routes::feature(deps, &config.routes, &shows, &config.ingest)?);
    features.extend(tidings_webhook::feature(deps, &config.webhook)?);
    Ok(features)
}

/// The tables of all crates, in the order in which they are made.
pub fn migrations() -> Vec<Migration> {
    [
        tidings_api::MIGRATIONS,
        tidings_consumer::MIGRATIONS,
        tidings_delivery::MIGRATIONS,
        tidings_broadcast::MIGRATIONS,
        tidings_orders::MIGRATIONS,
        tidings_community::MIGRATIONS,
        tidings_chat::MIGRATIONS,
        tidings_webhook::MIGRATIONS,
    ]
    .concat()
}

/// What clients may say to features; two of one name are refused.
pub(crate) fn commands(features: &[Feature]) -> Result<Commands, StartError> {
    let commands = features.iter().flat_map(|feature| feature.commands.iter().cloned()).collect();
    Commands::new(commands)
        .map_err(|name| StartError::Setting(format!("two features understand the command `{name}`")))
}
