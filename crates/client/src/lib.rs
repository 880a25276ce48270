//! Step 8 of a message's way: the client receives each frame once, keeps the cursor, and acknowledges.
//!
//! [`Client`] sends requests and opens one [`Stream`]; a [`Listener`] keeps a stream open across cuts, resumes
//! from its cursor and drops what it has seen. The command line, the tests and the benches use it.

mod client;
mod connect;
mod error;
mod frame;
mod listener;
mod seen;
pub mod sse;
mod stream;
mod wait;

pub use client::{Answer, Client};
pub use error::{ClientError, Refusal};
pub use frame::{Digest, Event, Frame, Ready, Reply, Signal};
pub use listener::Listener;
pub use stream::{ListenOptions, Stream, Transport};
pub use wait::Waits;
