//! A broadcast and its life: `scheduled → active → expired | cancelled`; `failed` while its delivery lies in a dead letter.

use std::{collections::BTreeSet, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings::model::{Audience, BroadcastId, Channel, ListId, Priority, Timestamp, UserId};
use utoipa::ToSchema;

/// Where a broadcast is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BroadcastStatus)]
pub(crate) enum Status {
    Scheduled,
    Active,
    Expired,
    Cancelled,
    Failed,
}

impl Status {
    /// Whether it is still brought to people: also what failed, as far as it did not.
    pub(crate) const fn is_live(self) -> bool {
        matches!(self, Self::Active | Self::Failed)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "scheduled" => Ok(Self::Scheduled),
            "active" => Ok(Self::Active),
            "expired" => Ok(Self::Expired),
            "cancelled" => Ok(Self::Cancelled),
            "failed" => Ok(Self::Failed),
            _unknown => Err(format!("`{text}` is not scheduled, active, expired, cancelled or failed")),
        }
    }
}

/// Who a broadcast is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Target {
    /// Everybody in the directory.
    All,
    /// Everybody with one of these roles.
    Role { ids: Vec<String> },
    /// Everybody in one of these groups.
    Group { ids: Vec<String> },
    /// These people.
    Selected { ids: BTreeSet<UserId> },
    /// The people of a named list, as it was when the broadcast was created.
    List { name: ListName, list: ListId, people: u64 },
    /// Whoever listens to any of these channels and to none of those.
    Custom { any: Vec<Channel>, none: Vec<Channel> },
}

impl Target {
    /// The audience, where channels name it; none where people are named one by one.
    pub(crate) fn audience(&self) -> Option<Audience> {
        let any = match self {
            Self::All => vec![Channel::All],
            Self::Role { ids } => ids.iter().cloned().map(Channel::Role).collect(),
            Self::Group { ids } => ids.iter().cloned().map(Channel::Group).collect(),
            Self::Custom { any, none } => return Some(Audience { any: any.clone(), none: none.clone() }),
            Self::Selected { .. } | Self::List { .. } => return None,
        };
        Some(Audience { any, none: Vec::new() })
    }

    /// How many people it names one by one; none where channels name them.
    pub(crate) fn named(&self) -> Option<u64> {
        match self {
            Self::Selected { ids } => Some(ids.len() as u64),
            Self::List { people, .. } => Some(*people),
            Self::All | Self::Role { .. } | Self::Group { .. } | Self::Custom { .. } => None,
        }
    }
}

/// The name of a list of people: letters, digits, `-`, `_` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ListName(String);

/// The longest name of a list.
const NAME_BYTES: usize = 100;

impl ListName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ListName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if text.is_empty() || text.len() > NAME_BYTES || !text.bytes().all(plain) {
            return Err(format!("a list's name has 1 to {NAME_BYTES} letters, digits, `-`, `_` or `.`"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ListName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ListName> for String {
    fn from(name: ListName) -> Self {
        name.0
    }
}

/// What a broadcast says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) title: Option<String>,
    pub(crate) content: String,
    pub(crate) data: Option<Box<RawValue>>,
    pub(crate) action_url: Option<String>,
    pub(crate) category: Option<String>,
}

/// A broadcast.
#[derive(Clone, Debug)]
pub(crate) struct Broadcast {
    pub(crate) id: BroadcastId,
    pub(crate) status: Status,
    pub(crate) sender_id: UserId,
    pub(crate) said: Said,
    pub(crate) target: Target,
    pub(crate) priority: Priority,
    /// Whether those who join the audience later are meant too.
    pub(crate) late_joiners: bool,
    /// Only for those who are online at its moment: never pending, never confirmed.
    pub(crate) fire_and_forget: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) scheduled_at: Option<Timestamp>,
    pub(crate) expires_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) final_stats: Option<Stats>,
}

/// A broadcast without its target: what each person's delivery says. The names of thousands of people are not read
/// once more for each of them.
#[derive(Clone, Debug)]
pub(crate) struct Saying {
    pub(crate) id: BroadcastId,
    pub(crate) status: Status,
    pub(crate) sender_id: UserId,
    pub(crate) said: Said,
    pub(crate) priority: Priority,
    pub(crate) late_joiners: bool,
    pub(crate) fire_and_forget: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// Whether a record of it was given up and not handled since.
    pub(crate) has_failures: bool,
}

/// What a broadcast adds up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Stats {
    /// People in the audience, and those who left it after receiving.
    pub(crate) targeted: u64,
    /// People who confirmed it.
    pub(crate) delivered: u64,
    /// People who read it.
    pub(crate) read: u64,
    /// People behind a dead letter.
    pub(crate) failed: u64,
    /// People who may still get it; 0 once it ended.
    pub(crate) pending: u64,
}
