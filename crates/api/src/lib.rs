//! Step 1 of a message's way: the HTTP frame around every route.
//!
//! Who calls ([`Caller`]), what they sent ([`Body`], [`Params`], [`Segment`]), what went wrong ([`Problem`]),
//! and the one answer of a key that comes twice ([`idempotency`]). [`frame()`] stands around all of them.

mod body;
mod cors;
mod frame;
pub mod idempotency;
mod identity;
mod json;
mod paging;
mod problem;
mod trace;

use tidings_store::Migration;

pub use body::{Body, Params, RawBody, Segment};
pub use cors::Cors;
pub use frame::{Frame, frame};
pub use identity::{Caller, Identity, InvalidToken, Mint, Scope, TokenClaims};
pub use paging::{Page, PageQuery, decode_page, encode_page};
pub use json::parse as parse_json;
pub use problem::{Code, FieldError, Problem};
pub use trace::{InvalidTraceParent, TraceParent, Traces};

/// The tables of this crate.
pub const MIGRATIONS: &[Migration] = &[Migration {
    owner: "api",
    name: "0001_api",
    sqlite: include_str!("../migrations/sqlite/0001_api.sql"),
}];
