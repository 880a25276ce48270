//! Orders: `POST /orders` publishes one and answers with its place; consumers process it and its customer is told.
//!
//! The way of an order through the files: [`api`] validates it and hands it to the ingest port, `handler` takes it from
//! the topic, stores it and announces what became of it, and a route of the feature's own shows that to the customer.
//! `accepted` remembers what the log took and no consumer has stored yet. `spoken` is what the reference says of frames and records. There is no `config.rs`: the topic and how it is
//! written are settings of the log. There is no `schedule.rs`: an order waits for nothing but its consumer. There is no
//! `channels.rs`: customers have a channel of their own already.

mod accepted;
mod api;
mod events;
mod handler;
mod model;
mod spoken;
mod store;

use std::{sync::Arc, time::Duration};

use tidings::{
    Deps, Feature,
    config::RouteSettings,
    log::{Durability, TopicSpec},
    store::Migration,
};

/// The tables of this feature.
pub const MIGRATIONS: &[Migration] = &[Migration {
    owner: "orders",
    name: "0001_orders",
    sqlite: include_str!("../migrations/sqlite/0001_orders.sql"),
}];

/// What orders add to the server.
pub fn feature(deps: &Deps) -> Feature {
    let topic = |name: &'static str| TopicSpec {
        name: name.into(),
        partitions: 3,
        retention: Duration::from_hours(7 * 24),
        key: "order id",
        durability: Durability::Durable,
    };
    Feature {
        name: "orders",
        routes: api::routes(deps.clone()),
        topics: vec![topic(events::ORDERS_TOPIC), topic(events::EVENTS_TOPIC)],
        handlers: vec![Arc::new(handler::Orders {
            clock: Arc::clone(&deps.clock),
            ids: Arc::clone(&deps.ids),
        })],
        shows: vec![RouteSettings {
            topic: events::EVENTS_TOPIC.to_owned(),
            to: vec!["user:{/user_id}".to_owned()],
            r#type: spoken::UPDATED.to_owned(),
            data: Some("/".to_owned()),
            keep: "change".to_owned(),
            ..RouteSettings::default()
        }],
        commands: Vec::new(),
        signals: Vec::new(),
        watchers: Vec::new(),
        schedules: Vec::new(),
        accounts: Vec::new(),
        witnesses: Vec::new(),
        frames: spoken::frames(),
        records: spoken::records(),
    }
}
