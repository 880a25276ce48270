//! What members say on a WebSocket: `message.send`, `message.read` and `typing`, the same as over HTTP.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use tidings::{
    api::{Caller, Command, Done, Problem, SpokenCommand, parse_json},
    model::MessageId,
};
use utoipa::ToSchema;

use crate::{
    api::{Chat, Sent, missing},
    model::Saying,
};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SendText {
    #[serde(rename = "type")]
    _kind: String,
    #[serde(rename = "ref")]
    _reference: Option<String>,
    conversation_id: String,
    content: String,
    /// What your device calls it: sent again under the same name, it is the same message.
    client_id: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReadText {
    #[serde(rename = "type")]
    _kind: String,
    #[serde(rename = "ref")]
    _reference: Option<String>,
    conversation_id: String,
    /// The last message that was read.
    #[schema(value_type = String)]
    up_to: MessageId,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TypingText {
    #[serde(rename = "type")]
    _kind: String,
    #[serde(rename = "ref")]
    _reference: Option<String>,
    conversation_id: String,
    is_typing: bool,
}

/// Says something: `message.send {conversation_id, content, client_id}`.
#[derive(Debug)]
pub(crate) struct Send {
    pub(crate) chat: Chat,
}

#[async_trait]
impl Command for Send {
    fn name(&self) -> &'static str {
        "message.send"
    }

    fn spoken(&self) -> SpokenCommand {
        let example = json!({
            "ref": "7", "conversation_id": "cnv_01k3x9qk3m8v6t2n4p5r7s9w0y", "content": "Coffee?", "client_id": "1",
        });
        SpokenCommand::new::<SendText>(
            self.name(),
            "Say something to the members of a conversation.",
            example,
        )
        .answered::<Sent>(
            json!({ "message_id": "msg_01k3x9qk3m8v6t2n4p5r7s9w0y", "seq": 7, "status": "SENT" }),
        )
    }

    async fn run(&self, caller: &Caller, text: &str) -> Result<Value, Problem> {
        let SendText { conversation_id, content, client_id, .. } = parse_json(text.as_bytes())?;
        let id = conversation_id.parse().map_err(|_none| missing())?;
        let sent = self.chat.send(caller, id, Saying { content, client_id: Some(client_id) }).await?;
        Ok(json!(sent))
    }
}

/// Has read everything up to a message: `message.read {conversation_id, up_to}`.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) chat: Chat,
}

#[async_trait]
impl Command for Read {
    fn name(&self) -> &'static str {
        "message.read"
    }

    fn spoken(&self) -> SpokenCommand {
        let example = json!({
            "ref": "8", "conversation_id": "cnv_01k3x9qk3m8v6t2n4p5r7s9w0y", "up_to": "msg_01k3x9qk3m8v6t2n4p5r7s9w0y",
        });
        SpokenCommand::new::<ReadText>(self.name(), "You read everything up to a message.", example)
            .answered::<Done>(json!({}))
    }

    async fn run(&self, caller: &Caller, text: &str) -> Result<Value, Problem> {
        let ReadText { conversation_id, up_to, .. } = parse_json(text.as_bytes())?;
        let id = conversation_id.parse().map_err(|_none| missing())?;
        self.chat.read(&caller.user_id, id, up_to).await?;
        Ok(json!({}))
    }
}

/// Writes something right now, or stopped: `typing {conversation_id, is_typing}`.
#[derive(Debug)]
pub(crate) struct Typing {
    pub(crate) chat: Chat,
}

#[async_trait]
impl Command for Typing {
    fn name(&self) -> &'static str {
        "typing"
    }

    fn spoken(&self) -> SpokenCommand {
        let example = json!({ "conversation_id": "cnv_01k3x9qk3m8v6t2n4p5r7s9w0y", "is_typing": true });
        SpokenCommand::new::<TypingText>(self.name(), "You write something right now, or stopped.", example)
            .answered::<Done>(json!({}))
    }

    async fn run(&self, caller: &Caller, text: &str) -> Result<Value, Problem> {
        let TypingText { conversation_id, is_typing, .. } = parse_json(text.as_bytes())?;
        let id = conversation_id.parse().map_err(|_none| missing())?;
        self.chat.types(&caller.user_id, id, is_typing).await?;
        Ok(json!({}))
    }
}
