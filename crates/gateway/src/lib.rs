//! Step 7 of a message's way: every gateway tails the delivery log and offers each frame to its connections.
//!
//! [`Hub`] knows who is connected and gives each new delivery to those it is for; [`resume`] brings a client
//! up to the present; a connection's [`Outlet`] is a bounded [`Queue`], and a client too slow for it is cut, never skipped.

mod admission;
mod beat;
mod budget;
mod channels;
mod close;
mod commands;
mod connection;
mod conversation;
pub mod handshake;
mod hub;
mod leave;
mod line;
mod origin;
mod outlet;
mod queue;
mod renew;
mod resume;
mod socket;
mod source;
mod spoken;
mod sse;
mod wire;
mod ws;

pub use admission::Admission;
pub use budget::Budget;
pub use close::Close;
pub use commands::Commands;
pub use connection::Connection;
pub use hub::Hub;
pub use origin::Origins;
pub use outlet::{Outlet, Reason};
pub use queue::Queue;
pub use socket::{Socket, Turn};
pub use source::{Gateway, GatewayOptions, Source};
pub use spoken::{own_commands, session_frames};
pub use sse::{reference, routes};
pub use wire::Wire;
