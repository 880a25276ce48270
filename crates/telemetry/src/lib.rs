//! What the server tells about itself: every metric, and every event worth a line in the log, is named here once.
//!
//! An event is a struct; [`Metrics`] holds the numbers, some counted where things happen, the others looked at when
//! somebody asks for them ([`Observed`]).

mod consumer;
mod events;
mod metrics;
mod observed;

pub use consumer::{
    AttemptFailed, GroupSteered, GroupWaits, PartitionAssigned, PartitionRevoked, PartitionStalled,
    RecordGivenUp, RecordsLost, RecordsParked,
};
pub use events::{
    ConsumerEnded, DatabaseAway, DeliveryPushed, FeedEnded, RequestAnswered, RoutePanicked, TokenRefused,
    TopicDrifts,
};
pub use metrics::Metrics;
pub use observed::{GroupLag, Observed, OutboxShard, PartitionEnds, StoreNumbers};
