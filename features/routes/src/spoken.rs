//! What messages and routes say, for the reference: each frame and record with an example.

use serde_json::json;
use tidings::{
    api::{Shape, Spoken, SpokenFrame, SpokenRecord},
    delivery::ItemCreated,
    model::Kind,
};

use crate::{
    events::{MESSAGES_TOPIC, MessageEvent},
    route::Route,
};

const ID: &str = "msg_01k3x9qk3m8v6t2n4p5r7s9w0y";
const AT: &str = "2026-01-31T09:30:00.000Z";

fn frame(kind: Kind, item: &str, word: (String, &'static str)) -> SpokenFrame {
    let example = json!({
        "id": ID, "kind": item, "title": "Invoice 7 is paid", "content": null, "data": { "number": 7 },
        "action_url": null, "created_at": AT,
    });
    let (name, summary) = word;
    let word = Spoken {
        name: name.into(),
        summary: summary.into(),
        shape: Shape::of::<ItemCreated<'static>>(),
        example,
    };
    SpokenFrame::new(kind, (ID, "user:ada"), word)
}

/// The frames of messages, and of the routes of the settings.
pub(crate) fn frames(routes: &[Route]) -> Vec<SpokenFrame> {
    let said = ("invoice.paid".to_owned(), "What an application says, under a type of its own.");
    let said = SpokenFrame { made_up: true, ..frame(Kind::Message, "message", said) };
    let shown = routes.iter().filter(|route| !route.is_built_in()).map(|route| {
        let (kind, name) = route.shows();
        let word = (name.to_owned(), "What a route of the settings shows.");
        SpokenFrame { public: false, ..frame(kind, "event", word) }
    });
    std::iter::once(said).chain(shown).collect()
}

/// The records of messages, and of the topics that the settings name.
pub(crate) fn records<'a>(named: impl IntoIterator<Item = &'a str>) -> Vec<SpokenRecord> {
    let said = json!({
        "message_id": ID, "to": ["user:ada"], "type": "invoice.paid", "title": "Invoice 7 is paid", "content": null,
        "data": { "number": 7 }, "action_url": null, "sender_id": "billing", "created_at": AT,
        "expires_at": "2026-03-02T09:30:00.000Z",
    });
    let said = Spoken::of::<MessageEvent>(
        "MessageCreated",
        "Somebody says something of a type of their own. Another tool needs no more than `to` and `type`.",
        said,
    );
    let named = named.into_iter().map(|topic| SpokenRecord {
        topic: topic.to_owned().into(),
        key: None,
        word: Spoken {
            name: "Written".into(),
            summary: "Whatever is written to it: JSON or CloudEvents, as the settings have it.".into(),
            shape: Shape::any(),
            example: json!({ "number": 7 }),
        },
        public: false,
    });
    std::iter::once(SpokenRecord::new(MESSAGES_TOPIC, Some("user:ada"), said)).chain(named).collect()
}
