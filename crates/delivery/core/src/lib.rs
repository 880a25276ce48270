//! The pure core of delivery: places, cursors, verdict, resume, receipts, counts.
//!
//! Events go in, effects come out; the time is passed in; nothing here does IO, awaits or asks a clock.
//! Every keeper of the log and the database calls these types, and so does the simulator in `tests/simulator`, which
//! drives a whole world of them from a seed.
//!
//! A record on its way meets the modules in this order:
//!
//! 1. [`accept`] – is this record of the log new, or did a relay say it before?
//! 2. [`window`] – the newest records in memory, shared by all connections of a node.
//! 3. [`verdict`] – is it offered to this person on this device, and if not, why?
//! 4. [`resume`] – in which order, and behind which cursor?
//! 5. [`receipts`], [`counts`] – what did the client confirm, and what does that add up to?
//! 6. [`late`] – who must be offered it once more, at a new place?

pub mod accept;
pub mod counts;
mod cursor;
mod digest;
mod generation;
pub mod interval;
pub mod late;
mod person;
mod place;
pub mod planted;
mod quiet;
pub mod receipts;
mod record;
pub mod resume;
pub mod session;
pub mod verdict;
pub mod window;

pub use cursor::{Cursor, InvalidCursor, Narrowing};
pub use digest::{Selection, select_pending};
pub use generation::{Generation, GenerationId, Generations, LogBounds, NotRecovered};
pub use person::{Person, PersonChange};
pub use place::{Moment, Number, Place};
pub use quiet::{InvalidQuietHours, QuietHours};
pub use record::{DeliveryRecord, End, Removal};
