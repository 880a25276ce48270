//! Statements on a connection of their own, for tests: outside of any transaction and of any store.

use std::sync::Arc;

use tokio::runtime::Builder;

use super::{
    address::{Address, reason},
    pool::Pool,
    session::Session,
};
use crate::StoreError;

/// Runs one statement.
pub(crate) fn run_alone(url: &str, sql: String) -> Result<(), StoreError> {
    alone(url, async move |session| {
        session.run(&sql).await.map_err(|error| StoreError::statement(&sql, error))
    })
}

/// Prepares statements; answers the types of their parameters, or why they are refused.
pub(crate) fn prepare_alone(
    url: &str,
    statements: Vec<&'static str>,
) -> Result<Vec<Result<Vec<String>, String>>, StoreError> {
    alone(url, async move |session| {
        let mut answers = Vec::with_capacity(statements.len());
        for sql in statements {
            answers.push(session.types(sql).await.map_err(|error| reason(&error)));
        }
        Ok(answers)
    })
}

fn alone<T, F>(url: &str, work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: AsyncFnOnce(Session) -> Result<T, StoreError> + Send + 'static,
{
    let address = Address::parse(url)?;
    let run = move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime
            .map_err(|cause| address.refused(cause.to_string()))?
            .block_on(async { work(Pool::new(address, Arc::default()).connect().await?).await })
    };
    // A runtime is not started on a thread of another one, which this may be.
    std::thread::spawn(run).join().map_err(|_panic| StoreError::Panicked)?
}
