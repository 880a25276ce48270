//! A cursor is a place as clients hold it: opaque text, the same bytes for every session that is not narrowed.
//!
//! It names a place, never a right: what its bearer may read follows from the session alone, so it is not signed.

use std::{collections::BTreeSet, fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use tidings_model::Channel;

use crate::{GenerationId, Place};

/// The first byte of every cursor; another layout takes another byte.
const VERSION: u8 = 1;
const PLAIN_BYTES: usize = 17;
const NARROWED_BYTES: usize = 21;

/// Which part of their channels a session listens to: all, or a hash of the list in `?channels=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Narrowing(Option<u32>);

impl Narrowing {
    /// Everything the person may read.
    pub const NONE: Self = Self(None);

    /// Only these channels; order and repeats do not matter. FNV-1a over their names: stable across releases,
    /// because cursors outlive processes.
    pub fn to(channels: &BTreeSet<Channel>) -> Self {
        let mut hash = 0x811c_9dc5_u32;
        for channel in channels {
            // A line feed cannot be part of a channel, so two lists never run into one text.
            for byte in channel.to_string().bytes().chain([b'\n']) {
                hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
            }
        }
        Self(Some(hash))
    }
}

/// All that was addressed to its session at or before `place` was offered, or withheld for a named reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Which life of the log the place belongs to.
    pub generation: GenerationId,
    /// The place of the newest record that it covers.
    pub place: Place,
    /// Which part of the channels it covers.
    pub narrowing: Narrowing,
}

/// A text that no release of Tidings wrote as a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCursor {
    /// Longer than any cursor.
    #[error("a cursor has at most {max} characters", max = Cursor::MAX_CHARS)]
    TooLong,
    /// Not base64url without padding.
    #[error("a cursor is base64url without padding")]
    NotBase64,
    /// Another layout, or not a cursor at all.
    #[error("not a cursor of this release")]
    UnknownLayout,
}

impl Cursor {
    /// The longest text that is looked at.
    pub const MAX_CHARS: usize = 64;

    /// The text that clients keep: 23 characters, 28 when narrowed.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(NARROWED_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.generation.0.to_be_bytes());
        bytes.extend_from_slice(&self.place.0.to_be_bytes());
        if let Narrowing(Some(hash)) = self.narrowing {
            bytes.extend_from_slice(&hash.to_be_bytes());
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.encode())
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > Self::MAX_CHARS {
            return Err(InvalidCursor::TooLong);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_cause| InvalidCursor::NotBase64)?;
        let (&version, rest) = bytes.split_first().ok_or(InvalidCursor::UnknownLayout)?;
        let (generation, rest) = rest.split_first_chunk::<8>().ok_or(InvalidCursor::UnknownLayout)?;
        let (place, rest) = rest.split_first_chunk::<8>().ok_or(InvalidCursor::UnknownLayout)?;
        let narrowing = match (bytes.len(), <[u8; 4]>::try_from(rest)) {
            (PLAIN_BYTES, _empty) => Narrowing::NONE,
            (NARROWED_BYTES, Ok(hash)) => Narrowing(Some(u32::from_be_bytes(hash))),
            _other => return Err(InvalidCursor::UnknownLayout),
        };
        if version != VERSION {
            return Err(InvalidCursor::UnknownLayout);
        }
        Ok(Self {
            generation: GenerationId(u64::from_be_bytes(*generation)),
            place: Place(u64::from_be_bytes(*place)),
            narrowing,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(channels: &[&str]) -> BTreeSet<Channel> {
        channels.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_cursor_fits_an_sse_id_and_has_the_same_bytes_for_everybody() {
        let cursor = Cursor { generation: GenerationId(7), place: Place(42), narrowing: Narrowing::NONE };
        assert_eq!(cursor.encode(), "AQAAAAAAAAAHAAAAAAAAACo");
        assert_eq!(cursor.encode().parse(), Ok(cursor));
    }

    #[test]
    fn a_narrowing_does_not_depend_on_the_order_of_the_list_but_on_every_name() {
        assert_eq!(Narrowing::to(&set(&["role:a", "all"])), Narrowing::to(&set(&["all", "role:a"])));
        assert_ne!(Narrowing::to(&set(&["role:a"])), Narrowing::to(&set(&["role:b"])));
        assert_ne!(Narrowing::to(&set(&["role:a"])), Narrowing::NONE);
        assert_ne!(Narrowing::to(&set(&[])), Narrowing::NONE);
    }

    #[test]
    fn a_text_that_is_no_cursor_is_told_apart_by_reason() {
        assert_eq!("x".repeat(65).parse::<Cursor>(), Err(InvalidCursor::TooLong));
        assert_eq!("a b".parse::<Cursor>(), Err(InvalidCursor::NotBase64));
        assert_eq!("".parse::<Cursor>(), Err(InvalidCursor::UnknownLayout));
        assert_eq!("AgAAAAAAAAAHAAAAAAAAACo".parse::<Cursor>(), Err(InvalidCursor::UnknownLayout));
    }

    proptest! {
        #[test]
        fn any_cursor_reads_back(generation: u64, place: u64, narrowing: Option<u32>) {
            let cursor =
                Cursor { generation: GenerationId(generation), place: Place(place), narrowing: Narrowing(narrowing) };
            prop_assert!(cursor.encode().len() <= Cursor::MAX_CHARS);
            prop_assert_eq!(cursor.encode().parse(), Ok(cursor));
        }

        #[test]
        fn any_text_is_a_cursor_that_writes_the_same_text_or_is_refused(text in ".{0,80}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.encode(), text);
            }
        }

        #[test]
        fn any_bytes_are_a_cursor_that_writes_the_same_bytes_or_are_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..40)
        ) {
            let text = URL_SAFE_NO_PAD.encode(bytes);
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.encode(), text);
            }
        }
    }
}
