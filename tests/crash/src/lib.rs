//! The crash and history suites: a driver torments the real server and notes what it did and what people saw; a
//! judge reads the history and says whether the promise was kept.
//!
//! The driver speaks to the server over the network alone, as people and services do. Where a suite wants the
//! server to end between two steps of a message's way, or to have a known bug, the binary is built with the feature
//! `planted-bugs` and told by its environment.

pub mod away;
pub mod binary;
pub mod chat;
pub mod device;
pub mod fault;
pub mod field;
pub mod fleet;
pub mod history;
pub mod judge;
pub mod kcat;
pub mod letters;
pub mod load;
pub mod orders;
pub mod pages;
pub mod parts;
pub mod people;
pub mod poison;
pub mod proxy;
pub mod run;
pub mod sender;
pub mod server;
pub mod settings;
pub mod stalled;
pub mod statistics;
pub mod talk;
pub mod torture;
pub mod webhook;
