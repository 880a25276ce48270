//! Admission: how many clients may be brought up to the present at once, by what it costs.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tidings_api::{Code, Problem};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// Lets resumes in: so many a second from memory, so many at once from the database.
#[derive(Debug)]
pub struct Admission {
    closed: CancellationToken,
    memory: Mutex<Bucket>,
    database: Arc<Semaphore>,
}

/// Tokens that come back with time; at most one second's worth is kept.
#[derive(Debug)]
struct Bucket {
    per_second: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at);
        self.at = now;
        self.tokens = (self.tokens + passed.as_secs_f64() * self.per_second).min(self.per_second);
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}

/// What a client that was let in holds while it catches up.
#[derive(Debug)]
pub(crate) struct Pass(
    #[expect(dead_code, reason = "dropping it gives the place back")] Option<OwnedSemaphorePermit>,
);

impl Admission {
    /// So many resumes from memory a second; so many from the database at once.
    pub fn new(memory_per_second: u32, database_at_once: usize, now: Instant) -> Self {
        let per_second = f64::from(memory_per_second);
        Self {
            closed: CancellationToken::new(),
            memory: Mutex::new(Bucket { per_second, tokens: per_second, at: now }),
            database: Arc::new(Semaphore::new(database_at_once)),
        }
    }

    /// From now on nobody is let in.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    /// Resolves when nobody is let in any more.
    pub(crate) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Refuses whoever comes once nobody is let in any more.
    pub(crate) fn still_open(&self) -> Result<(), Problem> {
        if self.closed.is_cancelled() { Err(later("the server is stopping", 1..=3)) } else { Ok(()) }
    }

    /// Lets a client in, or asks it to come back: 503, after a time that differs from client to client.
    pub(crate) fn enter(&self, from_memory: bool, now: Instant) -> Result<Pass, Problem> {
        self.still_open()?;
        if from_memory {
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            return if memory.take(now) {
                Ok(Pass(None))
            } else {
                Err(later("too many clients come back at once", 1..=10))
            };
        }
        match Arc::clone(&self.database).try_acquire_owned() {
            Ok(permit) => Ok(Pass(Some(permit))),
            Err(_none_free) => Err(later("too many clients read their backlog at once", 1..=10)),
        }
    }
}

fn later(why: &str, seconds: std::ops::RangeInclusive<u32>) -> Problem {
    let wait = fastrand::u32(seconds);
    Problem::new(
        Code::Unavailable,
        format!("{why}; try again in {} s", Duration::from_secs(wait.into()).as_secs()),
    )
    .retry_after(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_is_limited_by_rate_and_the_database_by_how_many_hold_a_pass() {
        let now = Instant::now();
        let admission = Admission::new(2, 1, now);
        let from_memory = |at| admission.enter(true, at).is_ok();
        assert_eq!([from_memory(now), from_memory(now), from_memory(now)], [true, true, false]);
        assert!(from_memory(now + Duration::from_millis(500)));
        let pass = admission.enter(false, now).unwrap();
        assert!(admission.enter(false, now).is_err());
        drop(pass);
        assert!(admission.enter(false, now).is_ok());
    }

    #[tokio::test]
    async fn nobody_is_let_in_while_the_server_drains() {
        let now = Instant::now();
        let admission = Admission::new(2, 1, now);
        admission.close();
        assert!(admission.enter(true, now).is_err() && admission.enter(false, now).is_err());
    }
}
