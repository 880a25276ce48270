//! What PostgreSQL's errors mean for those who called: theirs, the database's, or "once more".

use tokio_postgres::{Error, error::SqlState};

/// Classes of states that are the database's fault: connections, resources, an operator, the system.
const UNAVAILABLE: [&str; 5] = ["08", "53", "57", "58", "F0"];

/// Whether the database, not the statement, is at fault: the caller may try again later.
pub(crate) fn is_unavailable(error: &Error) -> bool {
    match error.code() {
        Some(state) => {
            UNAVAILABLE.iter().any(|class| state.code().starts_with(class))
                || again(error)
                // Somebody held a lock for too long, or this is a standby now.
                || [SqlState::LOCK_NOT_AVAILABLE, SqlState::READ_ONLY_SQL_TRANSACTION].contains(state)
        }
        // The server said nothing: the connection is gone, or was never there.
        None => error.is_closed() || is_of_the_connection(error),
    }
}

/// Whether the same transaction may succeed when it runs again.
pub(super) fn again(error: &Error) -> bool {
    let again = [SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE];
    error.code().is_some_and(|state| again.contains(state))
}

/// Whether the server ended the connection, or it ended by itself.
pub(super) fn ends_connection(error: &Error) -> bool {
    match error.as_db_error() {
        Some(said) => said.severity() == "FATAL" || said.severity() == "PANIC",
        None => true,
    }
}

/// Reading, writing, connecting, a handshake: anything that has an IO error below it, or no word at all.
fn is_of_the_connection(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(below) = cause {
        if below.is::<std::io::Error>() {
            return true;
        }
        cause = below.source();
    }
    false
}
