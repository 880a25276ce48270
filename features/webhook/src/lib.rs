//! The webhook: one signed call for each message that a person has not confirmed in time, the bridge to e-mail and push.
//!
//! The way of a call through the files: `schedule` looks through what was said so long ago and writes one event for each
//! person who has not confirmed it (`store` keeps how far it looked, `events` says what an event is); `handler` takes the
//! event, looks whether it still holds, and has `call` tell the endpoint. `signature` signs it, `guard` says which
//! addresses are called, `config` reads the settings, `spoken` is what the reference
//! says of the event. There are no routes and no channels: it says nothing to people, and
//! nobody asks it.

mod call;
mod config;
mod events;
mod guard;
mod handler;
mod schedule;
mod signature;
mod spoken;
mod store;

use std::{sync::Arc, time::Duration};

use tidings::{
    Deps, Feature, OpenApiRouter,
    config::WebhookConfig,
    log::{Durability, TopicSpec},
    store::Migration,
};

pub use config::InvalidSetting;

/// The tables of this feature.
pub const MIGRATIONS: &[Migration] = &[Migration {
    owner: "webhook",
    name: "0001_webhook",
    sqlite: include_str!("../migrations/sqlite/0001_webhook.sql"),
}];

/// How long calls are kept that nobody takes; what was said longer ago is called for no more.
const WEEK: Duration = Duration::from_hours(7 * 24);

/// What the webhook adds to the server; nothing where the settings name no endpoint.
pub fn feature(deps: &Deps, settings: &WebhookConfig) -> Result<Option<Feature>, InvalidSetting> {
    let Some(endpoint) = config::endpoint(settings)? else { return Ok(None) };
    let retries = settings.retry_secs.iter().copied().map(Duration::from_secs).collect();
    Ok(Some(Feature {
        name: "webhook",
        routes: OpenApiRouter::new(),
        topics: vec![TopicSpec {
            name: events::TOPIC.into(),
            partitions: 3,
            retention: WEEK,
            key: "none",
            durability: Durability::Durable,
        }],
        handlers: vec![Arc::new(handler::Calls {
            store: deps.store.clone(),
            clock: Arc::clone(&deps.clock),
            retries,
            caller: call::Caller::new(endpoint),
        })],
        shows: Vec::new(),
        commands: Vec::new(),
        signals: Vec::new(),
        watchers: Vec::new(),
        schedules: vec![Arc::new(schedule::Sweep {
            ids: Arc::clone(&deps.ids),
            after: Duration::from_mins(settings.after_minutes),
        })],
        accounts: Vec::new(),
        witnesses: Vec::new(),
        frames: Vec::new(),
        records: spoken::records(),
    }))
}

/// Says what does not hold of the settings, without a server.
pub fn check(settings: &WebhookConfig) -> Result<(), InvalidSetting> {
    config::endpoint(settings).map(drop)
}
