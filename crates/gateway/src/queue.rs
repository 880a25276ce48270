//! A connection's queue: bounded in frames and bytes, drained in one piece.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use crate::Close;

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
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Bytes>,
    bytes: usize,
    // Of these, how many belong to a catch-up; they stand first.
    exempt_frames: usize,
    exempt_bytes: usize,
    closed: Option<Close>,
    gone: bool,
}

impl State {
    fn taken(&mut self, frame: &Bytes) {
        self.bytes -= frame.len();
        if self.exempt_frames > 0 {
            self.exempt_frames -= 1;
            self.exempt_bytes -= frame.len();
        }
    }
}

impl Queue {
    /// A queue of at most so many frames and bytes.
    pub fn new(limit_frames: usize, limit_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            reader: AtomicWaker::new(),
            drained: Notify::new(),
            limit_frames,
            limit_bytes,
        }
    }

    /// Adds a frame. A full queue closes the connection as slow: it resumes, nothing is skipped.
    pub fn push(&self, frame: Bytes) -> Result<(), Close> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(close) = state.closed {
            return Err(close);
        }
        let frames = state.frames.len() - state.exempt_frames;
        let bytes = state.bytes - state.exempt_bytes;
        if frames >= self.limit_frames || bytes + frame.len() > self.limit_bytes {
            *state = State { closed: Some(Close::Slow), ..State::default() };
            drop(state);
            self.reader.wake();
            return Err(Close::Slow);
        }
        state.bytes += frame.len();
        state.frames.push_back(frame);
        drop(state);
        self.reader.wake();
        Ok(())
    }

    /// Adds a frame of a catch-up. It is shared with others and was asked for in pages, so it does not count
    /// against the limits; a client that does not take it is cut by the write stall.
    pub fn push_catch_up(&self, frame: Bytes) -> Result<(), Close> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(close) = state.closed {
            return Err(close);
        }
        state.exempt_frames += 1;
        state.exempt_bytes += frame.len();
        state.bytes += frame.len();
        state.frames.push_back(frame);
        drop(state);
        self.reader.wake();
        Ok(())
    }

    /// Resolves when little waits, so that the next page of a catch-up may come.
    pub async fn drained(&self) -> Result<(), Close> {
        loop {
            let drained = self.drained.notified();
            {
                let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Ends the connection once what waits has been written.
    pub fn close(&self, close: Close) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.closed.get_or_insert(close);
        drop(state);
        self.reader.wake();
        self.drained.notify_waiters();
    }

    /// The client is gone: nobody will drain this queue any more.
    pub fn abandon(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).gone = true;
        self.drained.notify_waiters();
    }

    /// Why the connection ends, once it does.
    pub fn closed(&self) -> Option<Close> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed
    }

    /// What waits, in one piece; none once the queue is closed and empty.
    pub fn poll_drain(&self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.reader.register(context.waker());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = state.frames.pop_front() else {
            return if state.closed.is_some() { Poll::Ready(None) } else { Poll::Pending };
        };
        state.taken(&first);
        let mut run = first;
        if let Some(next) = state.frames.front()
            && run.len() + next.len() <= WRITE_BYTES
        {
            let mut joined = BytesMut::from(run);
            while let Some(next) = state.frames.pop_front_if(|next| joined.len() + next.len() <= WRITE_BYTES)
            {
                state.taken(&next);
                joined.extend_from_slice(&next);
            }
            run = joined.freeze();
        }
        drop(state);
        self.drained.notify_waiters();
        Poll::Ready(Some(run))
    }
}
