//! Everything that nobody should be able to do, tried.

mod identity;
mod problems;
mod tickets;
