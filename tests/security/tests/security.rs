//! Everything that nobody should be able to do, tried.

mod identity;
mod operators;
mod problems;
mod tickets;
