//! The real binary against a real server: each command, what it prints, and how it fails.

mod chatting;
mod dead_letters;
mod dead_letters_on_kafka;
mod demo;
mod failing;
mod kafka;
mod keys;
mod listening;
mod operating;
mod proving;
mod routes;
mod running;
mod sending;
mod settings;
