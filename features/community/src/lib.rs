//! Community: what is announced reaches everybody who is connected at once, and whoever comes within its life then.
//!
//! The way of an announcement through the files: [`api`] and `command` take it, over HTTP and over a WebSocket, and
//! announce the same event; `handler` turns the event, ours or another program's, into one delivery to everybody. There
//! is no `store.rs`, and there are no migrations: an announcement lies in the log until it is a delivery. There is no
//! `config.rs`: the topic is a setting of the log. There is no `schedule.rs`: the verdict knows when an announcement is
//! over. There is no `channels.rs`: everybody has a channel already.

mod api;
mod command;
mod events;
mod handler;
mod model;

use std::{sync::Arc, time::Duration};

use tidings::{
    Deps, Feature,
    log::{Durability, TopicSpec},
};

/// What the community pack adds to the server.
pub fn feature(deps: &Deps) -> Feature {
    Feature {
        name: "community",
        routes: api::routes(deps.clone()),
        topics: vec![TopicSpec {
            name: events::ANNOUNCEMENTS_TOPIC.into(),
            partitions: 1,
            retention: Duration::from_hours(7 * 24),
            key: "none",
            durability: Durability::Durable,
        }],
        handlers: vec![Arc::new(handler::Announcements { clock: Arc::clone(&deps.clock) })],
        shows: Vec::new(),
        commands: vec![Arc::new(command::Announce { deps: deps.clone() })],
        schedules: Vec::new(),
        accounts: Vec::new(),
    }
}
