//! Broadcasts: one message to everybody, to roles, to groups, or to selected people.
//!
//! The way of a broadcast through the files: [`api`] takes it, `store` keeps it with its first event,
//! `handler` turns each step of its life into delivery events and these into delivery records, `schedule`
//! starts and ends it in time, `account` says why somebody has it or not. `audience` has the people who are named one by one, `failures` those behind dead letters, `spoken` what the reference says of frames and records. There is no `channels.rs`: broadcasts use the channels everybody has.

mod account;
mod api;
mod audience;
mod deliveries;
mod events;
mod failures;
mod handler;
mod model;
mod schedule;
mod spoken;
mod store;

use std::{sync::Arc, time::Duration};

use tidings::{
    Deps, Feature,
    log::{Durability, TopicSpec},
    proof::Signer,
    store::Migration,
};

/// The tables of this feature.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        owner: "broadcast",
        name: "0001_broadcasts",
        sqlite: include_str!("../migrations/sqlite/0001_broadcasts.sql"),
    },
    Migration {
        owner: "broadcast",
        name: "0002_audiences",
        sqlite: include_str!("../migrations/sqlite/0002_audiences.sql"),
    },
];

const WEEK: Duration = Duration::from_hours(7 * 24);

/// What broadcasts add to the server; `signer` signs proofs of who got them.
pub fn feature(deps: &Deps, signer: Option<Arc<Signer>>) -> Feature {
    let topic = |name: &'static str, key| TopicSpec {
        name: name.into(),
        partitions: 10,
        retention: WEEK,
        key,
        durability: Durability::Durable,
    };
    Feature {
        name: "broadcast",
        routes: api::routes(deps.clone(), signer),
        topics: vec![
            topic(events::LIFECYCLE_TOPIC, "broadcast id"),
            topic(events::SELECTED_TOPIC, "user id"),
            topic(events::GROUP_TOPIC, "broadcast id"),
        ],
        handlers: vec![
            Arc::new(handler::Lifecycle { clock: Arc::clone(&deps.clock), ids: Arc::clone(&deps.ids) }),
            Arc::new(handler::Selected { clock: Arc::clone(&deps.clock) }),
            Arc::new(handler::Group { clock: Arc::clone(&deps.clock) }),
        ],
        shows: Vec::new(),
        commands: Vec::new(),
        signals: Vec::new(),
        watchers: Vec::new(),
        schedules: vec![
            Arc::new(schedule::Activation { ids: Arc::clone(&deps.ids) }),
            Arc::new(schedule::Expiry { ids: Arc::clone(&deps.ids) }),
            Arc::new(schedule::Sweep),
        ],
        accounts: vec![Arc::new(account::Broadcasts)],
        witnesses: Vec::new(),
        frames: spoken::frames(),
        records: spoken::records(),
    }
}
