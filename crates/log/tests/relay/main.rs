//! The relay under faults: doubled, suspended, cut, with a log that refuses. What a reader that accepts by number
//! sees is always the same: everything, once, in the order of the commits.

mod faults;
mod order;
#[cfg(feature = "planted-bugs")]
mod planted;
mod world;
