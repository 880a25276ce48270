//! A connection's queue: an outlet bounded in frames and bytes, which its transport drains in one piece.
//!
//! Full means: signals leave first, then the connection ends as slow and its client resumes. Nothing that is
//! durable is ever skipped.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use crate::{Budget, Close, Outlet, Reason};

/// The most bytes that one write carries.
const WRITE_BYTES: usize = 64 << 10;

/// Frames that wait for one client.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    reader: AtomicWaker,
    drained: Notify,
    limit_frames: usize,
    limit_bytes: usize,
    budget: Arc<Budget>,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<(Bytes, Reason)>,
    bytes: usize,
    // Of these, what counts against the limits, and how many are signals.
    counted_frames: usize,
    counted_bytes: usize,
    signals: usize,
    closed: Option<Close>,
    gone: bool,
}

impl State {
    fn add(&mut self, frame: Bytes, reason: Reason) {
        self.bytes += frame.len();
        if reason != Reason::CatchUp {
            self.counted_frames += 1;
            self.counted_bytes += frame.len();
        }
        self.signals += usize::from(reason == Reason::Signal);
        self.frames.push_back((frame, reason));
    }

    fn taken(&mut self, bytes: usize, reason: Reason) {
        self.bytes -= bytes;
        if reason != Reason::CatchUp {
            self.counted_frames -= 1;
            self.counted_bytes -= bytes;
        }
        self.signals -= usize::from(reason == Reason::Signal);
    }
}

impl Queue {
    /// A queue of at most so many frames and bytes, which count in a node's budget too.
    pub fn new(limit_frames: usize, limit_bytes: usize, budget: Arc<Budget>) -> Self {
        Self {
            state: Mutex::default(),
            reader: AtomicWaker::new(),
            drained: Notify::new(),
            limit_frames,
            limit_bytes,
            budget,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fits(&self, state: &State, bytes: usize) -> bool {
        state.counted_frames < self.limit_frames && state.counted_bytes + bytes <= self.limit_bytes
    }

    fn drop_signals(&self, state: &mut State) {
        if state.signals == 0 {
            return;
        }
        let frames = std::mem::take(&mut state.frames);
        for (frame, reason) in frames {
            if reason == Reason::Signal {
                state.taken(frame.len(), reason);
                self.budget.give_back(frame.len());
            } else {
                state.frames.push_back((frame, reason));
            }
        }
    }

    /// Ends the connection and forgets what waits.
    fn end(&self, mut state: MutexGuard<'_, State>, close: Close) {
        self.budget.give_back(state.bytes);
        *state = State { closed: Some(state.closed.unwrap_or(close)), gone: state.gone, ..State::default() };
        drop(state);
        self.reader.wake();
        self.drained.notify_waiters();
    }

    /// The client is gone: nobody will drain this queue any more.
    pub fn abandon(&self) {
        self.state().gone = true;
        self.drained.notify_waiters();
    }

    /// What waits, in one piece; none once the queue is closed and empty.
    pub fn poll_drain(&self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.reader.register(context.waker());
        let mut state = self.state();
        let Some((first, reason)) = state.frames.pop_front() else {
            return if state.closed.is_some() { Poll::Ready(None) } else { Poll::Pending };
        };
        state.taken(first.len(), reason);
        let mut run = first;
        if let Some((next, _)) = state.frames.front()
            && run.len() + next.len() <= WRITE_BYTES
        {
            let mut joined = BytesMut::from(run);
            while let Some((next, reason)) =
                state.frames.pop_front_if(|(next, _)| joined.len() + next.len() <= WRITE_BYTES)
            {
                state.taken(next.len(), reason);
                joined.extend_from_slice(&next);
            }
            run = joined.freeze();
        }
        drop(state);
        self.budget.give_back(run.len());
        self.drained.notify_waiters();
        Poll::Ready(Some(run))
    }
}

#[async_trait]
impl Outlet for Queue {
    fn offer(&self, frame: Bytes, reason: Reason) -> Result<(), Close> {
        let mut state = self.state();
        if let Some(close) = state.closed {
            return Err(close);
        }
        if reason != Reason::CatchUp && !self.fits(&state, frame.len()) {
            if reason == Reason::Signal {
                return Ok(());
            }
            self.drop_signals(&mut state);
            if !self.fits(&state, frame.len()) {
                self.end(state, Close::Slow);
                return Err(Close::Slow);
            }
        }
        self.budget.take(frame.len());
        state.add(frame, reason);
        drop(state);
        self.reader.wake();
        Ok(())
    }

    async fn drained(&self) -> Result<(), Close> {
        loop {
            let drained = self.drained.notified();
            {
                let state = self.state();
                match state.closed {
                    Some(close) => return Err(close),
                    None if state.gone => return Err(Close::Slow),
                    None if state.frames.len() < self.limit_frames / 2 => return Ok(()),
                    None => {}
                }
            }
            drained.await;
        }
    }

    fn close(&self, close: Close) {
        self.state().closed.get_or_insert(close);
        self.reader.wake();
        self.drained.notify_waiters();
    }

    fn cut(&self, close: Close) {
        self.end(self.state(), close);
    }

    fn closed(&self) -> Option<Close> {
        self.state().closed
    }

    fn bytes(&self) -> usize {
        self.state().bytes
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::task::noop_waker;

    use super::*;

    fn queue(frames: usize, bytes: usize) -> (Queue, Arc<Budget>) {
        let budget = Arc::new(Budget::new(1000));
        (Queue::new(frames, bytes, Arc::clone(&budget)), budget)
    }

    fn drain(queue: &Queue) -> Poll<Option<Bytes>> {
        queue.poll_drain(&mut Context::from_waker(&noop_waker()))
    }

    #[test]
    fn what_waits_leaves_in_one_piece_and_in_order() {
        let (queue, budget) = queue(10, 100);
        for frame in ["a", "b", "c"] {
            queue.offer(Bytes::from_static(frame.as_bytes()), Reason::Live).unwrap();
        }
        assert_eq!(budget.used(), 3);
        assert_eq!(drain(&queue), Poll::Ready(Some(Bytes::from_static(b"abc"))));
        assert_eq!((drain(&queue), budget.used()), (Poll::Pending, 0));
    }

    #[test]
    fn a_full_queue_drops_its_signals_before_it_ends() {
        let (queue, budget) = queue(3, 100);
        queue.offer(Bytes::from_static(b"a"), Reason::Live).unwrap();
        queue.offer(Bytes::from_static(b"typing"), Reason::Signal).unwrap();
        queue.offer(Bytes::from_static(b"b"), Reason::Live).unwrap();
        queue.offer(Bytes::from_static(b"typing"), Reason::Signal).unwrap();
        queue.offer(Bytes::from_static(b"c"), Reason::Live).unwrap();
        assert_eq!(budget.used(), 3);
        assert_eq!(queue.offer(Bytes::from_static(b"d"), Reason::Live), Err(Close::Slow));
        assert_eq!((drain(&queue), budget.used()), (Poll::Ready(None), 0));
    }

    #[test]
    fn a_queue_is_full_by_bytes_too_but_a_catch_up_does_not_count() {
        let (queue, _budget) = queue(10, 4);
        queue.offer(Bytes::from_static(b"0123456789"), Reason::CatchUp).unwrap();
        queue.offer(Bytes::from_static(b"abcd"), Reason::Live).unwrap();
        assert_eq!(queue.offer(Bytes::from_static(b"e"), Reason::Live), Err(Close::Slow));
    }

    #[test]
    fn a_closed_queue_is_drained_and_takes_nothing_more() {
        let (queue, _budget) = queue(10, 100);
        queue.offer(Bytes::from_static(b"a"), Reason::Live).unwrap();
        queue.close(Close::Shutdown);
        assert_eq!(queue.offer(Bytes::from_static(b"b"), Reason::Live), Err(Close::Shutdown));
        assert_eq!(drain(&queue), Poll::Ready(Some(Bytes::from_static(b"a"))));
        assert_eq!(drain(&queue), Poll::Ready(None));
    }

    #[test]
    fn a_queue_that_is_dropped_gives_its_bytes_back() {
        let (queue, budget) = queue(10, 100);
        queue.offer(Bytes::from_static(b"abc"), Reason::Live).unwrap();
        drop(queue);
        assert_eq!(budget.used(), 0);
    }
}
