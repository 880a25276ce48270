//! A command is what a client says on its stream: a frame with a `type` of its own, answered by `ok` or `error`.
//!
//! Features bring commands and the gateway runs them; neither knows the other, so what both agree on stands here.

use async_trait::async_trait;
use serde_json::Value;

use crate::{Caller, Problem, SpokenCommand};

/// What clients may say on a WebSocket, beside what every stream understands (`ack`, `read`, `auth`, `ping`).
#[async_trait]
pub trait Command: Send + Sync + std::fmt::Debug {
    /// The `type` of its frames: `announce`. No two commands share one.
    fn name(&self) -> &'static str;

    /// What clients are told of it.
    fn spoken(&self) -> SpokenCommand;

    /// Does what a caller said; the answer is the `data` of `ok`. `text` is the frame as it came: JSON of at most
    /// `gateway.message_bytes`, with `type` and perhaps `ref` among its keys.
    ///
    /// One command of a connection runs at a time. It judges itself whether the caller may say it: `caller` is whom
    /// the newest token of the connection names.
    async fn run(&self, caller: &Caller, text: &str) -> Result<Value, Problem>;
}
