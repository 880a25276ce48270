//! The gateway on the real server, from outside: real sockets, a real database.

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod cursors;
mod drain;
mod handshake;
mod http2;
mod life;
mod limits;
mod raw;
mod sse_wire;
mod websocket;
