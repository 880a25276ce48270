//! The way of a message, end to end; see `tests/`.
