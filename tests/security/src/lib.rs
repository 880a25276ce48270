//! The real server in this process, and a client that can say what no decent client would.

mod answer;
mod app;

pub use answer::Answer;
pub use app::{App, Stream};
