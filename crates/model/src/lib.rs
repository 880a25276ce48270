//! The words of Tidings, used by every other crate: ids, times, channels, audiences, events.
//!
//! Nothing here does IO or awaits; time and randomness come in through [`Clock`] and [`Ids`].

mod audience;
mod channel;
mod event;
mod frame;
mod ids;
pub mod planted;
mod time;

pub use audience::Audience;
pub use channel::{Channel, InvalidChannel};
pub use event::{Headers, NewEvent, Record, SOURCE, header};
pub use frame::{Kind, Priority};
pub use ids::{
    AuditId, BroadcastId, ConversationId, EventId, Ids, InvalidId, KeyId, ListId, MessageId, NotificationId,
    OrderId, PostId, SessionId, UserId,
};
pub use time::{Clock, InvalidTimestamp, ManualClock, SystemClock, Timestamp};
