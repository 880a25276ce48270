//! What a delivery is: how long it is promised, and how pressing it is.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How long a delivery is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Pending until its reader confirmed it.
    Message,
    /// Resumable, never pending, in no count.
    Change,
    /// Never stored, never resumed, dropped first.
    Signal,
}

impl Kind {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Change => "change",
            Self::Signal => "signal",
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "message" => Ok(Self::Message),
            "change" => Ok(Self::Change),
            "signal" => Ok(Self::Signal),
            _unknown => Err(format!("`{text}` is not `message`, `change` or `signal`")),
        }
    }
}

/// How pressing a message is. It never reorders a stream; it orders inbox and digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Can wait.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Before others.
    High,
    /// Passes mutes and quiet hours, and a catch-up sends it where it only counts others.
    Urgent,
}

impl Priority {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }
}

impl FromStr for Priority {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "low" => Ok(Self::Low),
            "normal" => Ok(Self::Normal),
            "high" => Ok(Self::High),
            "urgent" => Ok(Self::Urgent),
            _unknown => Err(format!("`{text}` is not `low`, `normal`, `high` or `urgent`")),
        }
    }
}
