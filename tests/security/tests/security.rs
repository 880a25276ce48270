//! Everything that nobody should be able to do, tried.

mod dead_letters;
mod directory;
mod examples;
mod identity;
mod keys;
mod messages;
mod operators;
mod problems;
mod rates;
mod reference;
mod tickets;
