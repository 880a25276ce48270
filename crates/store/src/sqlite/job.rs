//! A transaction's body on its way to the writer, and its answer on the way back.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Poll, Waker},
};

use tokio::sync::oneshot;

use crate::{StoreError, Tx};

/// What a body wants to become of its statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Keep,
    Undo,
}

/// A body whose types are no longer known.
pub(super) trait Job: Send {
    /// Runs the body.
    fn run(&mut self, tx: &Tx) -> Wish;

    /// Answers the caller: the body's own result, or why the commit failed.
    fn finish(self: Box<Self>, committed: Result<(), StoreError>);
}

pub(super) struct Body<T, E, F> {
    code: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Body<T, E, F> {
    pub(super) fn new(code: F, reply: oneshot::Sender<Result<T, E>>) -> Self {
        Self { code: Some(code), result: None, reply }
    }
}

impl<T, E, F, Fut> Job for Body<T, E, F>
where
    F: FnOnce(Tx) -> Fut + Send,
    Fut: Future<Output = Result<T, E>>,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, tx: &Tx) -> Wish {
        let Some(body) = self.code.take() else { return Wish::Undo };
        let result = complete(body, tx);
        let wish = if result.is_ok() { Wish::Keep } else { Wish::Undo };
        self.result = Some(result);
        wish
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        let result = match (self.result, committed) {
            // A body that failed by itself keeps its own word: nothing of it was to be committed.
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(error)) => Err(error.into()),
            (None, Ok(())) => Err(StoreError::Closed.into()),
        };
        // A caller that no longer waits does not need the answer; what it was may do anything when it is
        // dropped here, but must not end the writer.
        let reply = self.reply;
        drop(catch_unwind(AssertUnwindSafe(move || drop(reply.send(result)))));
    }
}

/// Runs a body to its end on this thread. Its statements complete at once, so one poll is enough.
pub(super) fn complete<T, E, F, Fut>(body: F, tx: &Tx) -> Result<T, E>
where
    F: FnOnce(Tx) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: From<StoreError>,
{
    let run = || {
        let mut future = pin!(tx.complete(body(tx.clone())));
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(StoreError::Suspended.into()),
        }
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_panic| Err(StoreError::Panicked.into()))
}
