//! Builds all of Tidings in one place, in the order in which a message meets it; starts it; drains it.

mod asyncapi;
mod build;
mod consumers;
mod features;
mod groups;
mod housekeeping;
mod identity;
mod kafka;
mod keepers;
mod limits;
mod paths;
mod presence;
mod roster;
mod routes;
mod schedules;
mod serve;
mod served;
mod settings;
mod signals;
mod source;
mod standings;
mod streams;
mod tcp;
mod topics;
mod words;

pub use build::{Server, StartError, migrate};
pub use features::migrations;
pub use kafka::kafka_settings;
pub use settings::{check, routes_of};
pub use tidings_routes::{Route, Shown, Unroutable};
