//! The way of a message, end to end, on the real server.

mod audience;
mod chat;
mod community;
mod counts;
mod faults;
mod first_light;
mod follows;
mod inbox;
mod ingest;
mod keys;
mod late;
mod life;
mod messages;
mod orders;
mod people;
mod posts;
mod preferences;
mod proof;
mod resume;
mod routes;
mod topics;
mod webhook;
mod why;
mod words;
