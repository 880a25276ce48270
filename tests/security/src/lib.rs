//! The real server in this process, and a client that can say what no decent client would.

mod answer;
mod app;
mod forge;
mod issuer;

pub use answer::Answer;
pub use app::{App, Stream};
pub use forge::{Forgery, forgeries, sign};
pub use issuer::{Issuer, KeyServer};
