//! What a record leads to is told with where it comes from.

use tidings_consumer::headers::is_late;
use tidings_delivery::{DeliveryRecord, Origin};
use tidings_model::{Record, header};

/// A delivery that follows from a record: it goes on with its trace, names its place, and where the record was sent
/// through again it comes behind what was said since.
pub fn following(record: &Record, delivery: DeliveryRecord) -> DeliveryRecord {
    DeliveryRecord {
        late: is_late(record),
        trace_parent: record.header(header::TRACE_PARENT).map(str::to_owned),
        origin: Some(Origin::from(record)),
        ..delivery
    }
}
