//! Channels: what a client listens to.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, de};

use crate::UserId;

/// A name that people can be reached by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Everybody in the directory.
    All,
    /// Everybody who has a role.
    Role(String),
    /// Everybody in a group.
    Group(String),
    /// One person.
    User(UserId),
    /// The members of a conversation.
    Conversation(String),
    /// The followers of an author.
    Author(UserId),
    /// The application's own channel.
    App(String),
}

/// A text that names no channel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a channel: use `all`, `role:…`, `group:…`, `user:…`, `conversation:…`, `author:…` or `app:…`, at most 256 bytes after the colon, without control characters"
)]
pub struct InvalidChannel {
    text: String,
}

impl Channel {
    /// The word before the colon.
    pub fn family(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Role(_) => "role",
            Self::Group(_) => "group",
            Self::User(_) => "user",
            Self::Conversation(_) => "conversation",
            Self::Author(_) => "author",
            Self::App(_) => "app",
        }
    }

    /// The part after the colon; empty for `all`.
    pub fn name(&self) -> &str {
        match self {
            Self::All => "",
            Self::Role(name) | Self::Group(name) | Self::Conversation(name) | Self::App(name) => name,
            Self::User(id) | Self::Author(id) => id.as_str(),
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Role(_)
            | Self::Group(_)
            | Self::User(_)
            | Self::Conversation(_)
            | Self::Author(_)
            | Self::App(_) => write!(f, "{}:{}", self.family(), self.name()),
        }
    }
}

impl FromStr for Channel {
    type Err = InvalidChannel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidChannel { text: text.chars().take(64).collect() };
        if text == "all" {
            return Ok(Self::All);
        }
        let (family, name) = text.split_once(':').ok_or_else(invalid)?;
        // A channel's name has the limits of a user id, whatever its family.
        let id: UserId = name.parse().map_err(|_limits| invalid())?;
        match family {
            "role" => Ok(Self::Role(name.to_owned())),
            "group" => Ok(Self::Group(name.to_owned())),
            "user" => Ok(Self::User(id)),
            "conversation" => Ok(Self::Conversation(name.to_owned())),
            "author" => Ok(Self::Author(id)),
            "app" => Ok(Self::App(name.to_owned())),
            _unknown => Err(invalid()),
        }
    }
}

impl Serialize for Channel {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_reads_back_what_it_writes() {
        for text in
            ["all", "role:editor", "group:a:b", "user:alice", "conversation:cnv_1", "author:bob", "app:x"]
        {
            assert_eq!(text.parse::<Channel>().unwrap().to_string(), text);
        }
        for text in ["", "role:", "nobody:x", "t/x/all", "ALL", "user:a\nb"] {
            assert!(text.parse::<Channel>().is_err(), "{text}");
        }
    }
}
