//! Step 1 of a message's way: the HTTP frame around every route.
//!
//! Who calls ([`Caller`]), what they sent ([`Body`], [`Params`], [`Segment`]), what went wrong ([`Problem`]),
//! and the one answer of a key that comes twice ([`idempotency`]). [`frame()`] stands around all of them.

pub mod audit;
mod body;
mod caller;
mod command;
mod cors;
mod example;
mod frame;
pub mod idempotency;
mod identity;
mod json;
mod kept;
mod lines;
mod mint;
mod pace;
mod page;
mod paging;
mod problem;
mod rates;
mod reference;
mod scope;
pub mod service_keys;
mod spoken;
pub mod tickets;
mod trace;

use tidings_store::Migration;

pub use body::{Body, Params, RawBody, Segment, Values};
pub use caller::{Caller, Somebody, Standing, Standings};
pub use command::Command;
pub use cors::Cors;
pub use frame::{Frame, frame};
pub use identity::{Identity, KeySource, TokenClaims, TokenRules};
pub use json::parse as parse_json;
pub use kept::Kept;
pub use lines::{FailedLines, Lines};
pub use mint::Mint;
pub use pace::{Left, Pace};
pub use paging::{Page, PageQuery, decode_page, encode_page};
pub use problem::{Code, FieldError, Outcome, Problem, ProblemBody};
pub use rates::{RateLimits, Rates, network};
pub use reference::{REFERENCE_PATH, SPOKEN_PATH, with_reference};
pub use scope::Scope;
pub use spoken::{Done, Shape, Spoken, SpokenCommand, SpokenFrame, SpokenRecord};
pub use tickets::{Tickets, routes as ticket_routes};
pub use trace::{InvalidTraceParent, TraceParent, Traces};

/// The tables of this crate.
pub const MIGRATIONS: &[Migration] = &[
    Migration { owner: "api", name: "0001_api", sqlite: include_str!("../migrations/sqlite/0001_api.sql") },
    Migration {
        owner: "api",
        name: "0002_stream_tickets",
        sqlite: include_str!("../migrations/sqlite/0002_stream_tickets.sql"),
    },
    Migration {
        owner: "api",
        name: "0003_audit",
        sqlite: include_str!("../migrations/sqlite/0003_audit.sql"),
    },
    Migration {
        owner: "api",
        name: "0004_service_keys",
        sqlite: include_str!("../migrations/sqlite/0004_service_keys.sql"),
    },
];
