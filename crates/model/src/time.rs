//! Times: milliseconds since 1970 in UTC inside, RFC 3339 with milliseconds on the wire.

use std::{
    fmt,
    str::FromStr,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use serde::{Deserialize, Serialize, de};

use crate::planted;

/// A moment: milliseconds since 1970-01-01T00:00:00Z, as stored in SQL (`…_at BIGINT`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A text that is not an RFC 3339 moment with an offset.
#[derive(Clone, Debug, thiserror::Error)]
#[error("`{text}` is not a time like 2026-01-31T09:30:00.000Z")]
pub struct InvalidTimestamp {
    text: String,
}

impl Timestamp {
    /// The latest moment that is accepted from outside: the end of year 9999.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// Milliseconds since 1970, UTC.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// This moment moved forward; stops at the end of the representable range.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This moment moved back; stops at the end of the representable range.
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this moment is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_out_of_range) => write!(f, "{}ms", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidTimestamp { text: text.chars().take(64).collect() };
        let at: jiff::Timestamp = text.parse().map_err(|_cause| invalid())?;
        let at = Self(at.as_millisecond());
        if at > Self::MAX || at.0 < 0 { Err(invalid()) } else { Ok(at) }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Where the time comes from. Logic asks the clock it was given, so that a test can move an hour at once.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is handed")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from((since + planted::ahead()).as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `at`.
    pub fn at(at: Timestamp) -> Self {
        Self(AtomicI64::new(at.0))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap_or(0), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_milliseconds_and_read_back() {
        let at = Timestamp(1_700_000_000_120);
        assert_eq!(at.to_string(), "2023-11-14T22:13:20.120Z");
        assert_eq!("2023-11-14T23:13:20.12+01:00".parse::<Timestamp>().unwrap(), at);
    }

    #[test]
    fn a_time_without_an_offset_or_outside_the_years_is_refused() {
        for text in ["2026-03-29T02:30:00", "10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "", "now"] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }
}
