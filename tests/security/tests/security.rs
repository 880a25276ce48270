//! Everything that nobody should be able to do, tried.

mod problems;
