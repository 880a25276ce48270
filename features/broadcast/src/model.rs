//! A broadcast and its life: `scheduled → active → expired | cancelled`.

use std::{collections::BTreeSet, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings::model::{Audience, BroadcastId, Channel, Priority, Timestamp, UserId};
use utoipa::ToSchema;

/// Where a broadcast is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Scheduled,
    Active,
    Expired,
    Cancelled,
    Failed,
}

impl Status {
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
}

impl Target {
    /// The audience, where channels name it; none where people are named one by one.
    pub(crate) fn audience(&self) -> Option<Audience> {
        let any = match self {
            Self::All => vec![Channel::All],
            Self::Role { ids } => ids.iter().cloned().map(Channel::Role).collect(),
            Self::Group { ids } => ids.iter().cloned().map(Channel::Group).collect(),
            Self::Selected { .. } => return None,
        };
        Some(Audience { any, none: Vec::new() })
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
    pub(crate) created_at: Timestamp,
    pub(crate) scheduled_at: Option<Timestamp>,
    pub(crate) expires_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) final_stats: Option<Stats>,
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
