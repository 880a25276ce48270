//! Chat: conversations of two people or of many, and how far each member has come.
//!
//! The way of a message through the files: [`api`] and `command` take it, over HTTP and over a WebSocket; `messages` keeps
//! it with its event; `handler` turns the event, ours or another program's, into one delivery to the conversation. What its
//! members confirm comes back through `receipts`, which moves how far they have come and announces it, and `standing`
//! tells it to who sent; for groups `schedule` does, once a second. `notices` notifies who is away. `typing` shows who writes
//! right now, and passes no database; `presence` who is there. `store` has the conversations, `spoken` what the reference
//! says of frames and records. There is no `channels.rs`:
//! a conversation is a channel already, and its members are its listeners.

mod api;
mod command;
mod events;
mod handler;
mod messages;
mod model;
mod notices;
mod presence;
mod receipts;
mod schedule;
mod spoken;
mod standing;
mod stats;
mod store;
mod typing;

use std::{sync::Arc, time::Duration};

use tidings::{
    Deps, Feature,
    config::LimitsConfig,
    log::{Durability, TopicSpec},
    store::Migration,
};

/// The tables of this feature.
pub const MIGRATIONS: &[Migration] = &[Migration {
    owner: "chat",
    name: "0001_chat",
    sqlite: include_str!("../migrations/sqlite/0001_chat.sql"),
}];

const DAY: Duration = Duration::from_hours(24);

/// What chat adds to the server.
pub fn feature(deps: &Deps, limits: &LimitsConfig) -> Feature {
    let topic = |name: &'static str, retention, key| TopicSpec {
        name: name.into(),
        partitions: 3,
        retention,
        key,
        durability: Durability::Durable,
    };
    let chat = api::Chat::new(deps, limits.messages_per_second);
    let (clock, ids) = (&deps.clock, &deps.ids);
    Feature {
        name: "chat",
        routes: api::routes(chat.clone()),
        topics: vec![
            topic(events::MESSAGES_TOPIC, DAY * 7, "conversation id"),
            topic(events::STATUS_TOPIC, DAY, "user id of who sent"),
            topic(events::NOTICES_TOPIC, DAY * 30, "user id"),
            TopicSpec {
                durability: Durability::Memory,
                ..topic(typing::TOPIC, Duration::from_mins(1), "conversation id")
            },
            TopicSpec {
                partitions: 1,
                durability: Durability::Memory,
                ..topic(presence::TOPIC, Duration::from_mins(1), "user id")
            },
        ],
        handlers: vec![
            Arc::new(handler::Messages { clock: Arc::clone(clock) }),
            Arc::new(standing::Statuses { clock: Arc::clone(clock), ids: Arc::clone(ids) }),
            Arc::new(notices::Notices { clock: Arc::clone(clock) }),
        ],
        shows: Vec::new(),
        commands: vec![
            Arc::new(command::Send { chat: chat.clone() }),
            Arc::new(command::Read { chat: chat.clone() }),
            Arc::new(command::Typing { chat }),
        ],
        signals: vec![Arc::new(typing::Typists::default()), Arc::new(presence::Partners)],
        watchers: vec![Arc::new(presence::Watch { deps: deps.clone() })],
        schedules: vec![
            Arc::new(schedule::Standings { ids: Arc::clone(ids) }),
            Arc::new(notices::Away { ids: Arc::clone(ids), online: deps.online.clone() }),
        ],
        accounts: Vec::new(),
        witnesses: vec![Arc::new(receipts::Members { ids: Arc::clone(ids) })],
        frames: spoken::frames(),
        records: spoken::records(),
    }
}
