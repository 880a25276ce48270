//! Community: people make accounts, follow each other and post; what is announced reaches everybody.
//!
//! The way of a sign-up through the files: [`api`] writes the account with the event (`password` makes its hash), `handler`
//! makes the profile when the event comes out of the log; `attempts` counts who tries to log in. The way of a follow: [`api`] writes it with the
//! counts and the follower's new channel, `handler` tells the one who is followed; a follow that another program writes to the
//! topic is brought into force there. A post is written like that; one group counts it, another delivers it once to who
//! follows its author. The way of an announcement: [`api`] and `command` take it, over HTTP and over a WebSocket, and announce the same event; `handler` turns
//! the event, ours or another program's, into one delivery to everybody. What lies in the database is in `store`,
//! what the reference says of frames and records in `spoken`.
//!
//! There is no `config.rs`: topics are settings of the log, and the server hands in the [`Entrance`]. There is no
//! `schedule.rs`: the verdict knows when something is over. There is no `channels.rs`: the channels are there already.

mod api;
mod attempts;
mod command;
mod events;
mod handler;
mod model;
mod password;
mod spoken;
mod store;

use std::{sync::Arc, time::Duration};

use tidings::{
    Deps, Feature,
    api::Mint,
    log::{Durability, TopicSpec},
    store::Migration,
};

/// The tables of this feature.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        owner: "community",
        name: "0001_people",
        sqlite: include_str!("../migrations/sqlite/0001_people.sql"),
    },
    Migration {
        owner: "community",
        name: "0002_follows",
        sqlite: include_str!("../migrations/sqlite/0002_follows.sql"),
    },
    Migration {
        owner: "community",
        name: "0003_posts",
        sqlite: include_str!("../migrations/sqlite/0003_posts.sql"),
    },
];

/// How people come in.
#[derive(Debug)]
pub struct Entrance {
    /// Makes the tokens of who logs in; none where another issuer makes them.
    pub mint: Option<Mint>,
    /// Whether anybody may make an account.
    pub signup: bool,
    /// Attempts to log in with one name, and from one address, in a minute.
    pub logins_per_minute: u32,
}

/// What the community pack adds to the server.
pub fn feature(deps: &Deps, entrance: Entrance) -> Feature {
    let topic = |name: &'static str, partitions, key| TopicSpec {
        name: name.into(),
        partitions,
        retention: Duration::from_hours(7 * 24),
        key,
        durability: Durability::Durable,
    };
    let clock = || Arc::clone(&deps.clock);
    Feature {
        name: "community",
        routes: api::routes(deps.clone(), entrance),
        topics: vec![
            topic(events::SIGNUPS_TOPIC, 3, "user id"),
            topic(events::FOLLOWS_TOPIC, 3, "user id"),
            topic(events::POSTS_TOPIC, 3, "author id"),
            topic(events::ANNOUNCEMENTS_TOPIC, 1, "none"),
        ],
        handlers: vec![
            Arc::new(handler::SignUps { clock: clock() }),
            Arc::new(handler::Follows { clock: clock(), ids: Arc::clone(&deps.ids) }),
            Arc::new(handler::PostCounts { clock: clock(), ids: Arc::clone(&deps.ids) }),
            Arc::new(handler::Posts { clock: clock() }),
            Arc::new(handler::Announcements { clock: clock() }),
        ],
        shows: Vec::new(),
        commands: vec![Arc::new(command::Announce { deps: deps.clone() })],
        signals: Vec::new(),
        watchers: Vec::new(),
        schedules: Vec::new(),
        accounts: Vec::new(),
        witnesses: Vec::new(),
        frames: spoken::frames(),
        records: spoken::records(),
    }
}
