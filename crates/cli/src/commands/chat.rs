//! `tidings chat`.

mod lines;
mod screen;
mod talk;

use std::io::{self, IsTerminal as _};

use clap::{Args, builder::RangedU64ValueParser};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tidings_client::{Client, ListenOptions, Listener, Waits};
use tidings_model::{Channel, ConversationId, MessageId, Timestamp, UserId};

use self::{lines::Lines, screen::Screen, talk::Talk};
use super::send::fresh_key;
use crate::{
    bookmark,
    failure::Failure,
    reach::{self, Reach},
    table::table,
    terminal::{Paint, remark, say, say_json},
};

/// Conversations of one list.
const LIST: usize = 200;

/// Speak with somebody: shows what was said last, and what is said from then on; each line typed is said.
///
/// Without a conversation: lists those there are. Ctrl-D or Ctrl-C ends it. What comes through a pipe is said line by
/// line; the command ends when all of it is answered.
#[derive(Debug, Args)]
pub(crate) struct Chat {
    /// In the demo: as whom.
    #[arg(long, requires = "demo", required_if_eq("demo", "true"))]
    user: Option<UserId>,
    /// With whom: the one conversation of you two.
    #[arg(long, value_name = "USER", conflicts_with = "conversation")]
    with: Option<UserId>,
    /// Which conversation: cnv_…, as the list shows it.
    #[arg(long, value_name = "ID")]
    conversation: Option<ConversationId>,
    /// So many of the messages that were said before.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = RangedU64ValueParser::<usize>::new().range(1..=200))]
    last: usize,
    /// Print each message and each change of a state as one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: Reach,
}

#[derive(Debug, Deserialize, Serialize)]
struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Conversation {
    #[serde(rename = "conversation_id")]
    id: ConversationId,
    title: Option<String>,
    partner: Option<Partner>,
    members: u64,
    last_message: Option<Message>,
    unread_count: u64,
    created_at: Timestamp,
}

#[derive(Debug, Deserialize, Serialize)]
struct Partner {
    user_id: UserId,
    display_name: String,
}

/// A message; a history says how one's own stand.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Message {
    #[serde(rename = "message_id")]
    id: MessageId,
    conversation_id: ConversationId,
    seq: u64,
    sender_id: UserId,
    content: String,
    client_id: Option<String>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<Standing>,
}

/// How a message stands with the others who saw it said.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
struct Standing {
    status: Status,
    delivered: u64,
    read: u64,
    of: u64,
}

/// How far a message has come.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Status {
    Sent,
    Delivered,
    Read,
}

/// What who sent is told; in a group with counts.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Told {
    message_id: MessageId,
    conversation_id: ConversationId,
    status: Status,
    user_id: UserId,
    timestamp: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    up_to: Option<MessageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delivered: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    read: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    of: Option<u64>,
}

impl Chat {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let user = self.user.as_ref().map(UserId::as_str);
        let client = self.reach.client(user)?;
        let conversation = match (&self.with, &self.conversation) {
            (Some(other), _) => {
                let found = client.post("/api/v1/conversations", &json!({ "members": [other] })).await;
                reach::read(found.map_err(|cause| reach::unreached(&client, cause))?)?
            }
            (None, Some(id)) => reach::get(&client, &format!("/api/v1/conversations/{id}")).await?,
            (None, None) => return self.list(&client).await,
        };
        let me = bookmark::subject(&self.reach.token(user)?).and_then(|subject| subject.parse().ok());
        let me: UserId = me.ok_or_else(|| Failure::usage("the token says of nobody that they speak"))?;
        self.talk(client, conversation, me).await
    }

    async fn list(&self, client: &Client) -> Result<(), Failure> {
        let page: Page<Conversation> =
            reach::get(client, &format!("/api/v1/conversations?limit={LIST}")).await?;
        if self.json {
            return say_json(&page);
        }
        if page.items.is_empty() {
            return say("No conversations yet: begin one with --with USER.");
        }
        let more = page.next_cursor.is_some();
        let rows = page.items.into_iter().map(|one| {
            let people = one.members;
            let with = one.partner.map(|partner| partner.display_name).or(one.title);
            let (said, at) = match one.last_message {
                Some(Message { content, created_at, .. }) => (short(&content), created_at.to_string()),
                None => (String::new(), String::new()),
            };
            let with = with.unwrap_or_else(|| format!("{people} people"));
            [one.id.to_string(), with, one.unread_count.to_string(), said, at]
        });
        say(table(Paint::stdout(), ["conversation", "with", "unread", "said last", "at"], rows.collect()))?;
        if more {
            remark(format!("these are the {LIST} that were spoken in last; there are more"));
        }
        Ok(())
    }

    async fn talk(&self, client: Client, conversation: Conversation, me: UserId) -> Result<(), Failure> {
        let id = conversation.id;
        let seed = getrandom::u64().map_err(|cause| Failure::new(cause.to_string()))?;
        // Its own messages and what becomes of them; nothing that is not shown here is confirmed.
        let channels = [Channel::Conversation(id.to_string()), Channel::User(me.clone())];
        let options = ListenOptions {
            channels: channels.iter().map(ToString::to_string).collect(),
            ..ListenOptions::default()
        };
        let listener = Listener::new(client.clone(), options, Waits::default(), seed).without_place();
        let named = fresh_key()?;
        let typed = io::stdin().is_terminal().then(|| named.clone());
        let screen = Screen::new(Paint::stdout(), me, conversation.partner, typed);
        let talk = Talk::new(client, id, (screen, self.json), (named, seed));
        talk.run(listener, Lines::of_stdin()?, self.last).await
    }
}

/// The beginning of a text.
fn short(text: &str) -> String {
    const LETTERS: usize = 40;
    let mut short: String = text.chars().take(LETTERS).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
