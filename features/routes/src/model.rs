//! A message: what is said to an audience, by a caller or by a record that a route brings to screens.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidings::{
    delivery::ItemCreated,
    derived,
    model::{Audience, EventId, Kind, MessageId, Timestamp},
};
use utoipa::ToSchema;

/// Title, content, data and address together, in bytes.
pub(crate) const SAID_BYTES: usize = 64 << 10;
/// The most channels of an audience.
pub(crate) const MAX_CHANNELS: usize = 100;
/// How long a message without an end of its own is pending: 30 days.
pub(crate) const DEFAULT_LIFE: Duration = Duration::from_hours(30 * 24);
/// How long a signal is worth showing.
const SIGNAL_LIFE: Duration = Duration::from_secs(10);
/// The longest type of a frame, in bytes.
const MAX_TYPE: usize = 64;
/// Types whose meaning clients know: a message of a caller must not be taken for one of them.
const OWN_TYPES: [&str; 24] = [
    "announcement.created",
    "broadcast.created",
    "broadcast.removed",
    "cursor",
    "digest",
    "error",
    "event",
    "hello",
    "message.created",
    "message.status",
    "notification.created",
    "ok",
    "open",
    "order.updated",
    "post.created",
    "post.removed",
    "presence",
    "profile.updated",
    "ready",
    "receipt.read",
    "shutdown",
    "token.expiring",
    "typing",
    "user.followed",
];

/// The type of a frame: the caller's own word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct FrameType(String);

/// A text that is no type of a caller's frames.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidType {
    #[error(
        "`{0}` is no type: it begins with a letter and has 1 to {MAX_TYPE} letters, digits, `.`, `_` and `-`, \
         for example `invoice.paid`"
    )]
    Letters(String),
    #[error("`{0}` is a type of Tidings itself; choose another, for example `my.{0}`")]
    Own(String),
}

impl FrameType {
    /// A type of Tidings itself.
    pub(crate) fn own(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FrameType {
    type Err = InvalidType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let begins = text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic());
        if !begins || text.len() > MAX_TYPE || !text.bytes().all(letters) {
            return Err(InvalidType::Letters(text.chars().take(MAX_TYPE).collect()));
        }
        if OWN_TYPES.contains(&text) || text.starts_with("tidings.") {
            return Err(InvalidType::Own(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for FrameType {
    type Error = InvalidType;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<FrameType> for String {
    fn from(frame_type: FrameType) -> Self {
        frame_type.0
    }
}

/// How long a message is kept for its audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Pending until it is confirmed, and so long.
    Pending(Duration),
    /// Resumable, never pending.
    Change,
    /// For who is online.
    Signal,
}

/// A text that says not how long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is neither `change` nor `signal`, nor a time from 1m to 365d such as `30d`, `12h`, `15m` or `90s`"
)]
pub(crate) struct InvalidKeep(String);

impl FromStr for Keep {
    type Err = InvalidKeep;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const DAY: u64 = 24 * 60 * 60;
        let pending = || {
            let unit = match text.chars().next_back()? {
                's' => 1,
                'm' => 60,
                'h' => 60 * 60,
                'd' => DAY,
                _unknown => return None,
            };
            let number: u64 = text.get(..text.len() - 1)?.parse().ok()?;
            let seconds = number.checked_mul(unit)?;
            (60..=365 * DAY).contains(&seconds).then(|| Self::Pending(Duration::from_secs(seconds)))
        };
        match text {
            "change" => Ok(Self::Change),
            "signal" => Ok(Self::Signal),
            _time => pending().ok_or_else(|| InvalidKeep(text.chars().take(64).collect())),
        }
    }
}

impl Keep {
    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::Pending(_) => Kind::Message,
            Self::Change => Kind::Change,
            Self::Signal => Kind::Signal,
        }
    }

    /// When what was said at `time` is no longer worth delivering; none for what has no end.
    pub(crate) fn ends(self, time: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Pending(life) => Some(time.plus(life)),
            Self::Change => None,
            Self::Signal => Some(time.plus(SIGNAL_LIFE)),
        }
    }
}

/// What a message says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Said {
    pub(crate) title: Option<String>,
    pub(crate) content: Option<String>,
    pub(crate) data: Option<Value>,
    pub(crate) action_url: Option<String>,
}

/// Why something cannot be said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsayable {
    #[error("title, content, data and action_url have {0} bytes together, at most {SAID_BYTES} are allowed")]
    TooLarge(usize),
    #[error("the action_url must begin with https://, http:// or /")]
    Url,
}

impl Said {
    /// Refuses what is too large, and addresses that a click must not lead to.
    pub(crate) fn check(&self) -> Result<(), Unsayable> {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let data = self.data.as_ref().map_or(0, |data| data.to_string().len());
        let bytes = length(&self.title) + length(&self.content) + length(&self.action_url) + data;
        if bytes > SAID_BYTES {
            return Err(Unsayable::TooLarge(bytes));
        }
        let leads = |url: &String| ["https://", "http://", "/"].iter().any(|begin| url.starts_with(begin));
        if self.action_url.as_ref().is_some_and(|url| !leads(url)) {
            return Err(Unsayable::Url);
        }
        Ok(())
    }
}

/// A message on its way to its audience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: MessageId,
    pub(crate) event_id: EventId,
    /// The kind of the inbox item: `message`, `event`. None for what a feature shows: its data is all there is.
    pub(crate) item: Option<&'static str>,
    pub(crate) frame_type: FrameType,
    pub(crate) audience: Audience,
    pub(crate) said: Said,
    pub(crate) kind: Kind,
    pub(crate) time: Timestamp,
    pub(crate) expires_at: Option<Timestamp>,
}

impl Message {
    /// The frame's data, and the item's.
    pub(crate) fn data(&self) -> Value {
        let Some(kind) = self.item else { return self.said.data.clone().unwrap_or_default() };
        serde_json::json!(ItemCreated {
            id: &self.id.to_string(),
            kind,
            title: self.said.title.as_deref(),
            content: self.said.content.as_deref(),
            data: self.said.data.as_ref(),
            action_url: self.said.action_url.as_deref(),
            created_at: self.time,
        })
    }
}

/// The ids of what a group makes of an event: the same whenever it makes it, and another group's are others.
pub(crate) fn derived_ids(group: &str, event: [&str; 2], time: Timestamp) -> (MessageId, EventId) {
    let id: MessageId = derived(&[group, event[0], event[1]], time);
    (id, event_id(id))
}

/// The event that says a message.
pub(crate) fn event_id(id: MessageId) -> EventId {
    let text = id.to_string().replacen(MessageId::PREFIX, "evt", 1);
    text.parse().unwrap_or_else(|_limits| unreachable!("a message's id fits an event's"))
}

impl fmt::Display for FrameType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_a_word_of_the_callers_own() {
        for text in ["invoice.paid", "a", "my-type_2", "message"] {
            assert_eq!(text.parse::<FrameType>().unwrap().as_str(), text);
        }
        for text in ["", "1a", "a b", "a\nid: 7", "ü", &"a".repeat(65)] {
            assert!(text.parse::<FrameType>().unwrap_err().to_string().contains("is no type"), "{text}");
        }
        for text in ["broadcast.created", "ready", "tidings.membership", "typing"] {
            let own = text.parse::<FrameType>().unwrap_err().to_string();
            assert!(own.contains("is a type of Tidings itself"), "{own}");
        }
    }

    #[test]
    fn a_time_to_keep_has_a_unit_and_limits() {
        let secs = |text: &str| match text.parse() {
            Ok(Keep::Pending(life)) => Some(life.as_secs()),
            Ok(Keep::Change | Keep::Signal) | Err(_) => None,
        };
        assert_eq!(
            ["90s", "15m", "12h", "30d"].map(secs),
            [Some(90), Some(900), Some(43_200), Some(2_592_000)]
        );
        for text in ["", "d", "30", "-1d", "59s", "366d", "1.5d", "30 d", "99999999999999999999d", "é"] {
            assert!(text.parse::<Keep>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_a_group_makes_of_an_event_has_ids_of_its_own() {
        let at = Timestamp(1_700_000_000_000);
        let (id, event) = derived_ids("a", ["tool", "1"], at);
        assert_eq!((id, event.clone()), derived_ids("a", ["tool", "1"], at));
        assert_eq!(id.time(), at);
        assert_eq!(event.as_str().strip_prefix("evt_"), id.to_string().strip_prefix("msg_"));
        for (group, of) in [("b", ["tool", "1"]), ("a", ["tool", "2"]), ("a", ["too", "l1"])] {
            assert_ne!(derived_ids(group, of, at).0, id);
        }
    }
}
