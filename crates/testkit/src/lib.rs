//! A whole server in a temporary folder, and people who use it: a real database, real sockets, no mock.
//!
//! Nothing here sleeps for a fixed time: what must wait on the server waits for a condition with a limit.

#![expect(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod app;
mod device;
mod eventually;
mod fleet;
mod words;

pub use app::{Pair, Person, TestApp};
pub use device::Device;
pub use eventually::{LIMIT, eventually};
pub use fleet::{Fleet, Node};
pub use tidings_config::{Config, IngestSettings, Role, RouteSettings};
pub use words::{REFERENCE, Words};
