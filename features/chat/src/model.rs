//! A conversation: two people, or a group; what its members say has numbers, and each member has come so far.

use serde::{Deserialize, Serialize};
use tidings::{
    api::{Code, Problem},
    model::{ConversationId, EventId, MessageId, Timestamp, UserId},
};

/// What one message says, at most, in bytes.
pub(crate) const CONTENT_BYTES: usize = 64 << 10;
/// The longest name that a device gives a message, in bytes.
pub(crate) const CLIENT_ID_BYTES: usize = 128;
/// The longest title of a group, in bytes.
pub(crate) const TITLE_BYTES: usize = 256;
/// The most people of a conversation.
pub(crate) const MEMBERS_MAX: usize = 1000;

/// People who speak with each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conversation {
    pub(crate) id: ConversationId,
    /// The two people; none of a group.
    pub(crate) pair: Option<Pair>,
    pub(crate) title: Option<String>,
    pub(crate) created_by: UserId,
    pub(crate) created_at: Timestamp,
    /// The number of its last message; 0 before the first.
    pub(crate) last_seq: u64,
    /// When its last message was said, or it was made.
    pub(crate) last_at: Timestamp,
}

/// Two people, in the order of their ids: the same pair whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pair(UserId, UserId);

impl Pair {
    /// The pair of two different people.
    pub(crate) fn of(one: UserId, other: UserId) -> Self {
        if one <= other { Self(one, other) } else { Self(other, one) }
    }

    /// Whom somebody of the pair speaks with; none for who is not one of the two.
    pub(crate) fn partner(&self, user: &UserId) -> Option<&UserId> {
        let Self(one, other) = self;
        if user == one {
            Some(other)
        } else if user == other {
            Some(one)
        } else {
            None
        }
    }

    /// Its key in the database.
    pub(crate) fn key(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// How far a member has come; every message has a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// They see what follows this message.
    pub(crate) joined: u64,
    /// Their devices have everything up to here.
    pub(crate) delivered: u64,
    /// They read everything up to here.
    pub(crate) read: u64,
}

/// Something that a member said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) id: MessageId,
    pub(crate) conversation_id: ConversationId,
    /// Its number in the conversation, from 1 without holes.
    pub(crate) seq: u64,
    pub(crate) sender_id: UserId,
    /// What its sender's device calls it.
    pub(crate) client_id: Option<String>,
    pub(crate) content: String,
    /// The event by which it is delivered.
    pub(crate) event_id: EventId,
    pub(crate) created_at: Timestamp,
}

/// What somebody wants to say.
#[derive(Clone, Debug)]
pub(crate) struct Saying {
    pub(crate) content: String,
    pub(crate) client_id: Option<String>,
}

/// Why something cannot be said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsayable {
    #[error("must say something")]
    Nothing,
    #[error("the content has {0} bytes, at most {CONTENT_BYTES} are allowed")]
    Long(usize),
    #[error("the character U+0000 is not allowed")]
    Nul,
    #[error("has 1 to {CLIENT_ID_BYTES} bytes, without control characters")]
    Name,
}

impl From<Unsayable> for Problem {
    fn from(wrong: Unsayable) -> Self {
        match wrong {
            Unsayable::Long(_) => Self::new(Code::TooLarge, wrong.to_string()),
            Unsayable::Nothing | Unsayable::Nul => Self::field("/content", wrong.to_string()),
            Unsayable::Name => Self::field("/client_id", wrong.to_string()),
        }
    }
}

impl Saying {
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), Unsayable> {
        if self.client_id.as_deref().is_some_and(|name| !is_line(name, CLIENT_ID_BYTES)) {
            return Err(Unsayable::Name);
        }
        match self.content.len() {
            0 => Err(Unsayable::Nothing),
            long if long > CONTENT_BYTES => Err(Unsayable::Long(long)),
            // PostgreSQL cannot store it in text.
            _fits if self.content.contains('\0') => Err(Unsayable::Nul),
            _fits => Ok(()),
        }
    }
}

/// Whether a text is one line of 1 to `max` bytes.
pub(crate) fn is_line(text: &str, max: usize) -> bool {
    !text.trim().is_empty() && text.len() <= max && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_the_same_whoever_asks_and_nobody_else_has_a_part_in_it() {
        let user = |id: &str| id.parse::<UserId>().unwrap();
        let pair = Pair::of(user("bob"), user("alice"));
        assert_eq!(pair, Pair::of(user("alice"), user("bob")));
        assert_eq!(pair.partner(&user("bob")), Some(&user("alice")));
        assert_eq!(pair.partner(&user("eve")), None);
    }

    #[test]
    fn a_message_has_one_byte_to_64_kib_and_a_name_of_one_line() {
        let check = |content: &str, client_id: Option<&str>| {
            Saying { content: content.to_owned(), client_id: client_id.map(str::to_owned) }.check()
        };
        assert_eq!(check("x", None), Ok(()));
        assert_eq!(check(" ", Some("1")), Ok(()));
        assert_eq!(check("", None), Err(Unsayable::Nothing));
        assert_eq!(check(&"x".repeat(CONTENT_BYTES), None), Ok(()));
        assert_eq!(check(&"x".repeat(CONTENT_BYTES + 1), None), Err(Unsayable::Long(CONTENT_BYTES + 1)));
        assert_eq!(check("a\0b", None), Err(Unsayable::Nul));
        for name in ["", "a\nb", &"x".repeat(CLIENT_ID_BYTES + 1)] {
            assert_eq!(check("x", Some(name)), Err(Unsayable::Name));
        }
    }
}
