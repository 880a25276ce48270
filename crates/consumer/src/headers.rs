//! Names of the headers that consumers read and write, beside those of every record.

use tidings_model::{Record, header};

/// The group that a record was sent through again for; all others skip it.
pub const REDRIVE_GROUP: &str = "tidings-redrive-group";
/// How often a record was sent through again.
pub const REDRIVES: &str = "tidings-redrives";
/// The dead letter that a record was sent through again from.
pub const DEAD_LETTER: &str = "tidings-dead-letter";
/// How often a dead letter was tried.
pub const ATTEMPTS: &str = "tidings-attempts";
/// What our own transactions write as an event's source.
pub(crate) const OWN_SOURCE: &str = "tidings";

/// Whether a group is meant by a record: one that was sent through again names the group that gave it up.
pub(crate) fn is_for(group: &str, record: &Record) -> bool {
    record.header(REDRIVE_GROUP).is_none_or(|wanted| wanted == group)
}

/// Whether a record, or the one that it follows from, was sent through again: what it leads to comes behind what was
/// said since.
pub fn is_late(record: &Record) -> bool {
    record.header(REDRIVES).is_some() || record.header(header::LATE).is_some()
}
