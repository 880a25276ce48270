//! The way of a message, end to end, on the real server.

mod audience;
mod community;
mod counts;
mod faults;
mod first_light;
mod inbox;
mod ingest;
mod late;
mod life;
mod messages;
mod orders;
mod preferences;
mod resume;
mod routes;
mod why;
