//! The gateway on the real server, from outside: real sockets, real SQLite.

mod cursors;
mod drain;
mod handshake;
mod life;
mod limits;
mod raw;
mod sse_wire;
mod websocket;
