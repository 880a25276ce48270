//! What the webhook says to itself, for the reference.

use serde_json::json;
use tidings::api::{Spoken, SpokenRecord};

use crate::events::{TOPIC, UNCONFIRMED, Unheard};

/// The records of its topic.
pub(crate) fn records() -> Vec<SpokenRecord> {
    let unheard = Spoken::of::<Unheard>(
        UNCONFIRMED,
        "A person has not confirmed a message in time; the webhook is called unless that changed.",
        json!({ "user_id": "ada", "place": 17, "found_at": "2026-01-31T09:30:00.000Z" }),
    );
    vec![SpokenRecord { public: false, ..SpokenRecord::new(TOPIC, None, unheard) }]
}
