//! The inbox of a person: what was said to them and is still active.
