//! Ids: a prefix that tells the kind, then 26 characters that sort by time.
//!
//! The 26 characters are the ULID layout (48 bits of milliseconds, 80 random bits) in Crockford's base 32,
//! lower case. User, post, event and session ids may come from outside and are bounded strings instead.

use std::{
    borrow::Borrow,
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize, de};

use crate::{Clock, Timestamp};

/// A text that is not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The prefix or the length is another kind's.
    #[error("`{text}` is not an id that starts with `{prefix}_`")]
    Kind {
        /// What was given, cut to 64 characters.
        text: String,
        /// The prefix of the wanted kind.
        prefix: &'static str,
    },
    /// An id that is a bounded string is empty, too long, or has control characters.
    #[error("{what} must have 1 to {max} bytes and no control characters")]
    Text {
        /// Which id.
        what: &'static str,
        /// Its longest form in bytes.
        max: usize,
    },
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn encode(bits: u128) -> String {
    (0..26)
        .rev()
        .map(|at| char::from(ALPHABET[usize::try_from((bits >> (at * 5)) & 31).unwrap_or(0)]))
        .collect()
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != 26 {
        return None;
    }
    text.bytes().try_fold(0_u128, |bits, byte| {
        let value = ALPHABET.iter().position(|letter| *letter == byte)?;
        if bits >> 123 != 0 {
            return None;
        }
        Some((bits << 5) | value as u128)
    })
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// The part before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// When it was made, by the clock of whoever made it.
            pub fn time(self) -> Timestamp {
                Timestamp(i64::try_from(self.0 >> 80).unwrap_or(i64::MAX))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", $prefix, encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(Self)
                    .ok_or_else(|| InvalidId::Kind { text: text.chars().take(64).collect(), prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl From<u128> for $name {
            fn from(bits: u128) -> Self {
                Self(bits)
            }
        }
    )*};
}

ids! {
    /// A broadcast.
    BroadcastId = "brd";
    /// A thing somebody said, once, whoever receives it.
    MessageId = "msg";
    /// A notification in somebody's inbox.
    NotificationId = "ntf";
    /// An order.
    OrderId = "ord";
    /// An entry of the audit.
    AuditId = "aud";
    /// A list of people, as somebody put it once.
    ListId = "lst";
    /// People who speak with each other.
    ConversationId = "cnv";
    /// A service key.
    KeyId = "key";
}

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident, $what:literal, $max:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The longest form, in bytes.
            pub const MAX_BYTES: usize = $max;

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if text.is_empty() || text.len() > Self::MAX_BYTES || text.chars().any(char::is_control) {
                    return Err(InvalidId::Text { what: $what, max: Self::MAX_BYTES });
                }
                Ok(Self(text.into()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}

text_ids! {
    /// A person, by the caller's own name for them.
    UserId, "a user id", 256;
    /// An event: `evt_…` for ours, `topic/partition/offset` for a record that brought none.
    EventId, "an event id", 320;
    /// A post: `pst_…` for ours, another program's own name for what it posted.
    PostId, "a post id", 256;
    /// One person on one device, across reconnects; chosen by the client, or `ses_…`.
    SessionId, "a session id", 64;
}

impl From<KeyId> for UserId {
    /// A service acts under the name of its key.
    fn from(id: KeyId) -> Self {
        Self(id.to_string().into())
    }
}

/// Makes ids from the clock and the generator it was given; two ids of one source never go back.
#[derive(Debug)]
pub struct Ids {
    clock: Arc<dyn Clock>,
    state: Mutex<IdState>,
}

#[derive(Debug)]
struct IdState {
    last: u128,
    random: fastrand::Rng,
}

impl Ids {
    /// A source of ids; the same clock and seed give the same ids.
    pub fn new(clock: Arc<dyn Clock>, seed: u64) -> Self {
        Self { clock, state: Mutex::new(IdState { last: 0, random: fastrand::Rng::with_seed(seed) }) }
    }

    fn next(&self) -> u128 {
        let millis = u128::from(u64::try_from(self.clock.now().millis()).unwrap_or(0)) & ((1 << 48) - 1);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = (millis << 80) | (state.random.u128(..) >> 48);
        // A clock that goes back must not make ids go back.
        state.last = if fresh > state.last { fresh } else { state.last + 1 };
        state.last
    }

    /// A new broadcast id.
    pub fn broadcast(&self) -> BroadcastId {
        BroadcastId(self.next())
    }

    /// A new id of a list of people.
    pub fn list(&self) -> ListId {
        ListId(self.next())
    }

    /// A new message id.
    pub fn message(&self) -> MessageId {
        MessageId(self.next())
    }

    /// A new conversation id.
    pub fn conversation(&self) -> ConversationId {
        ConversationId(self.next())
    }

    /// A new order id.
    pub fn order(&self) -> OrderId {
        OrderId(self.next())
    }

    /// A new notification id.
    pub fn notification(&self) -> NotificationId {
        NotificationId(self.next())
    }

    /// A new id of an entry of the audit.
    pub fn audit(&self) -> AuditId {
        AuditId(self.next())
    }

    /// A new id of a service key.
    pub fn key(&self) -> KeyId {
        KeyId(self.next())
    }

    /// A new post id.
    pub fn post(&self) -> PostId {
        PostId(format!("pst_{}", encode(self.next())).into())
    }

    /// A new event id.
    pub fn event(&self) -> EventId {
        EventId(format!("evt_{}", encode(self.next())).into())
    }

    /// A new session id, for clients that chose none.
    pub fn session(&self) -> SessionId {
        SessionId(format!("ses_{}", encode(self.next())).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ManualClock, Timestamp};

    #[test]
    fn an_id_is_read_back_and_another_kind_is_refused() {
        let ids = Ids::new(Arc::new(ManualClock::at(Timestamp(1_700_000_000_000))), 7);
        let broadcast = ids.broadcast();
        assert_eq!(broadcast.to_string().parse::<BroadcastId>().unwrap(), broadcast);
        let error = ids.message().to_string().parse::<BroadcastId>().unwrap_err();
        assert!(error.to_string().ends_with("is not an id that starts with `brd_`"), "{error}");
    }

    #[test]
    fn ids_sort_by_time_even_when_the_clock_stands_still() {
        let ids = Ids::new(Arc::new(ManualClock::at(Timestamp(1_700_000_000_000))), 7);
        let made: Vec<String> = (0..1000).map(|_| ids.event().to_string()).collect();
        assert!(made.is_sorted());
    }

    #[test]
    fn a_user_id_has_limits() {
        assert!("".parse::<UserId>().is_err());
        assert!("a\0b".parse::<UserId>().is_err());
        assert!("x".repeat(257).parse::<UserId>().is_err());
        assert!("x".repeat(256).parse::<UserId>().is_ok());
    }
}
