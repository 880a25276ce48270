//! Builds all of Tidings in one place, in the order in which a message meets it; starts it; drains it.

mod build;
mod schedules;
mod serve;
mod source;

pub use build::{Server, StartError, migrate};
