//! Waiting for a condition with a limit.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// The longest wait for anything that a healthy server does at once.
pub const LIMIT: Duration = Duration::from_secs(20);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// Looks until `look` finds something; panics with `what` when the limit is over.
pub async fn eventually<T, F, Fut>(what: &str, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < LIMIT, "did not happen within {LIMIT:?}: {what}");
        tokio::time::sleep(LOOK).await;
    }
}
