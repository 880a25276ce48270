//! The way of a message, end to end, on the real server.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

mod counts;
mod first_light;
mod inbox;
mod late;
mod life;
mod resume;
