//! Step 7 of a message's way: every gateway tails the delivery log and offers each frame to its connections.
//!
//! [`Hub`] knows who is connected and gives each new delivery to those it is for; [`resume`] brings a client
//! up to the present; a connection's [`Queue`] is bounded, and a client too slow for it is cut, never skipped.

mod close;
mod connection;
mod hub;
mod queue;
mod resume;
mod source;
mod sse;
mod wire;

pub use close::Close;
pub use connection::Connection;
pub use hub::Hub;
pub use queue::Queue;
pub use source::{Gateway, GatewayOptions, Source};
pub use sse::routes;
pub use wire::Wire;
