//! `announce {title, content}` over a WebSocket: the same as `POST /announcements`.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use tidings::{
    Deps,
    api::{Caller, Command, Problem, parse_json},
};

use crate::{
    api::{WRITE, announcement, put},
    events::Cause,
    model::Said,
};

/// The frame of a client.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnnounceText {
    #[serde(rename = "type")]
    _kind: String,
    #[serde(rename = "ref")]
    _reference: Option<String>,
    title: String,
    content: String,
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

    async fn run(&self, caller: &Caller, text: &str) -> Result<Value, Problem> {
        caller.require_scope(WRITE)?;
        let AnnounceText { title, content, .. } = parse_json(text.as_bytes())?;
        let announcement = announcement(&self.deps, Said { title, content })?;
        let (id, cause) = (announcement.id, Cause { id: self.deps.ids.event(), trace_parent: None });
        self.deps.store.transact(move |tx| async move { put(&tx, cause, &announcement).await }).await?;
        Ok(json!({ "id": id }))
    }
}
