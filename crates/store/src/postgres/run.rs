//! Runs a body in a transaction: begin, body, commit; and what to make of each failure.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use tidings_model::planted;

use super::{
    Shared,
    address::reason,
    errors,
    running::{Ended, Running},
    session::Session,
};
use crate::{StoreError, Tx, stats::BODY_ROWS, tx};

/// How often a body runs again after it met another transaction in a deadlock.
const AGAIN: u32 = 5;
/// The pause before the first of these; it grows each time.
const PAUSE: Duration = Duration::from_millis(5);

/// What one run of a body came to.
enum Outcome<T, E> {
    Done(Result<T, E>),
    /// Another transaction was in the way; nothing was kept.
    Again(String),
}

/// Runs a body until it was committed, or failed by itself.
pub(super) async fn transaction<T, E, F, Fut>(shared: &Shared, body: F) -> Result<T, E>
where
    F: FnOnce(Tx) -> Fut + Clone,
    Fut: Future<Output = Result<T, E>>,
    E: From<StoreError>,
{
    let mut tried = 0;
    loop {
        match once(shared, body.clone()).await {
            Outcome::Done(result) => return result,
            Outcome::Again(reason) if tried == AGAIN => return Err(StoreError::Commit { reason }.into()),
            Outcome::Again(_) => {
                tried += 1;
                tokio::time::sleep(PAUSE * tried).await;
            }
        }
    }
}

async fn once<T, E, F, Fut>(shared: &Shared, body: F) -> Outcome<T, E>
where
    F: FnOnce(Tx) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: From<StoreError>,
{
    let session = match begin(shared, "BEGIN").await {
        Ok(session) => session,
        Err(error) => return Outcome::Done(Err(error.into())),
    };
    let started = Instant::now();
    let running = Running::begin(session);
    let result = complete(shared, body, &running).await;
    let ended = running.end();
    let Some(session) = ended.session.as_ref() else {
        // Something still uses the connection; without it the server undoes the transaction.
        return Outcome::Done(result.and(Err(StoreError::Suspended.into())));
    };
    if ended.again {
        undo(shared, ended).await;
        return Outcome::Again("other transactions were in its way, again and again".to_owned());
    }
    let value = match result {
        Ok(value) if !ended.failed => value,
        Ok(_) => {
            undo(shared, ended).await;
            let reason = "a statement had failed, after which PostgreSQL keeps nothing".to_owned();
            return Outcome::Done(Err(StoreError::Commit { reason }.into()));
        }
        Err(error) => {
            undo(shared, ended).await;
            return Outcome::Done(Err(error));
        }
    };
    planted::crash_point("before_commit");
    let committed = session.run("COMMIT").await;
    planted::crash_point("after_commit");
    match committed {
        Ok(()) => {
            shared.counters.turn(1, ended.changed_rows, started.elapsed());
            if ended.changed_rows > BODY_ROWS {
                shared.counters.long_body();
                tracing::debug!(rows = ended.changed_rows, "a transaction was longer than a turn; slice it");
            }
            shared.ear.wake(&shared.wakes, &ended.wakes);
            give(shared, ended);
            Outcome::Done(Ok(value))
        }
        Err(error) if errors::again(&error) => {
            undo(shared, ended).await;
            Outcome::Again(reason(&error))
        }
        Err(error) => {
            let reason = reason(&error);
            shared.failing(&reason);
            // The server said that it did not commit; without its word, nobody knows.
            Outcome::Done(Err(if errors::ends_connection(&error) {
                StoreError::Unknown { reason }.into()
            } else {
                undo(shared, ended).await;
                StoreError::Commit { reason }.into()
            }))
        }
    }
}

/// Runs a body on a snapshot, for as long as a read may live.
pub(super) async fn snapshot<T, E, F, Fut>(shared: &Shared, body: F) -> Result<T, E>
where
    F: FnOnce(Tx) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: From<StoreError>,
{
    let session = begin(shared, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let running = Running::begin(session);
    let read = tokio::time::timeout(shared.read_limit, complete(shared, body, &running)).await;
    let Ok(result) = read else {
        running.cancel().await;
        let limit_ms = u64::try_from(shared.read_limit.as_millis()).unwrap_or(u64::MAX);
        return Err(StoreError::ReadLimit { limit_ms }.into());
    };
    undo(shared, running.end()).await;
    result
}

/// A connection with a transaction on it. One that was idle may have ended unseen: then a new one is made, as
/// nothing ran on it yet.
async fn begin(shared: &Shared, sql: &str) -> Result<Session, StoreError> {
    let session = shared.pool.take().await.inspect_err(|error| shared.failing(&error.to_string()))?;
    if session.run(sql).await.is_ok() {
        return Ok(session);
    }
    let session = shared.pool.connect().await.inspect_err(|error| shared.failing(&error.to_string()))?;
    session.run(sql).await.map_err(|error| StoreError::statement(sql, error))?;
    Ok(session)
}

/// Runs a body to its end. It may wait for its statements and for nothing else.
async fn complete<T, E, F, Fut>(shared: &Shared, body: F, running: &Arc<Running>) -> Result<T, E>
where
    F: FnOnce(Tx) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: From<StoreError>,
{
    let tx = Tx::new(Arc::clone(&shared.known), tx::Running::Postgres(Arc::clone(running)));
    let panicked = |_panic| Err(StoreError::Panicked.into());
    let mut future = match catch_unwind(AssertUnwindSafe(|| Box::pin(tx.complete(body(tx.clone()))))) {
        Ok(future) => future,
        Err(panic) => return panicked(panic),
    };
    std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(Poll::Pending) if !running.waits() => Poll::Ready(Err(StoreError::Suspended.into())),
        Ok(polled) => polled,
        Err(panic) => Poll::Ready(panicked(panic)),
    })
    .await
}

/// Ends a transaction without keeping anything of it.
async fn undo(shared: &Shared, ended: Ended) {
    let Some(session) = ended.session else { return };
    // A connection that cannot say so is dropped, and the server undoes what was on it.
    if session.run("ROLLBACK").await.is_ok() {
        shared.pool.give(session);
    }
}

fn give(shared: &Shared, ended: Ended) {
    if let Some(session) = ended.session {
        shared.pool.give(session);
    }
}
