//! `announce {title, content}` over a WebSocket: the same as `POST /announcements`.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tidings::{
    Deps,
    api::{Caller, Command, Problem, SpokenCommand, parse_json},
    model::NotificationId,
};
use utoipa::ToSchema;

use crate::{
    api::{WRITE, announcement, put},
    events::Cause,
    model::Said,
};

/// The frame of a client.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AnnounceText {
    #[serde(rename = "type")]
    _kind: String,
    #[serde(rename = "ref")]
    _reference: Option<String>,
    title: String,
    content: String,
}

/// What an announcement is answered with.
#[derive(Serialize, ToSchema)]
struct OnItsWay {
    /// What receipts name.
    #[schema(value_type = String)]
    id: NotificationId,
}

/// Announces what a client says on its stream.
#[derive(Debug)]
pub(crate) struct Announce {
    pub(crate) deps: Deps,
}

#[async_trait]
impl Command for Announce {
    fn name(&self) -> &'static str {
        "announce"
    }

    fn spoken(&self) -> SpokenCommand {
        let example = json!({ "ref": "7", "title": "Fire drill", "content": "At noon, in all buildings." });
        SpokenCommand::new::<AnnounceText>(
            self.name(),
            "Tell everybody, as `POST /announcements` does.",
            example,
        )
        .answered::<OnItsWay>(json!({ "id": "ntf_01k3x9qk3m8v6t2n4p5r7s9w0y" }))
        .only(WRITE)
    }

    async fn run(&self, caller: &Caller, text: &str) -> Result<Value, Problem> {
        caller.require_scope(WRITE)?;
        let AnnounceText { title, content, .. } = parse_json(text.as_bytes())?;
        let announcement = announcement(&self.deps, Said { title, content })?;
        let (id, cause) = (announcement.id, Cause { id: self.deps.ids.event(), trace_parent: None });
        self.deps.store.transact(move |tx| async move { put(&tx, cause, &announcement).await }).await?;
        Ok(json!(OnItsWay { id }))
    }
}
