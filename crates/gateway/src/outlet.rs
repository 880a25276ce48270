//! The way out to one client, as the hub, a catch-up and the beat know it.
//!
//! Who writes to the socket stands behind it. Today that is a [`Queue`](crate::Queue), which the transport drains;
//! whatever takes sockets over hands in an outlet of its own, and nothing in front of it changes.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;

use crate::Close;

/// Why a frame is sent, which decides what becomes of it when there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Live: it counts against the limits.
    Live,
    /// Part of a catch-up: asked for in pages and shared with others, so it does not count against the limits; a
    /// client that does not take it is cut by the write stall.
    CatchUp,
    /// A signal: it counts, and leaves first.
    Signal,
}

/// The way out to one client. Frames leave in the order in which they were offered.
#[async_trait]
pub trait Outlet: Debug + Send + Sync {
    /// Takes a frame, encoded for the client's transport. No room for a signal: it is dropped. No room for
    /// anything else: the connection ends as slow, and its client resumes; nothing durable is skipped.
    fn offer(&self, frame: Bytes, reason: Reason) -> Result<(), Close>;

    /// Resolves when little waits, so that the next page of a catch-up may come; an error when the client is gone.
    async fn drained(&self) -> Result<(), Close>;

    /// Ends the connection once what waits has been written.
    fn close(&self, close: Close);

    /// Ends the connection now: what waits is forgotten, the client resumes.
    fn cut(&self, close: Close);

    /// Why the connection ends, once it does.
    fn closed(&self) -> Option<Close>;

    /// Bytes that wait.
    fn bytes(&self) -> usize;
}
