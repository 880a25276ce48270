//! When something ends: a moment, or so long after now.

use std::{str::FromStr, time::Duration};

use tidings_model::{Clock, SystemClock, Timestamp};

/// A moment, or so long after now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    At(Timestamp),
    In(Duration),
}

impl Expiry {
    /// The moment, by the clock of this machine.
    pub(crate) fn at(self) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::In(wait) => SystemClock.now().plus(wait),
        }
    }
}

impl FromStr for Expiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(at) = text.parse() {
            return Ok(Self::At(at));
        }
        let wrong = || "use a time like 2026-01-31T09:30:00Z, or 90s, 45m, 2h, 30d".to_owned();
        length(text).map(Self::In).ok_or_else(wrong)
    }
}

/// So long from now, and nothing else.
pub(crate) fn within(text: &str) -> Result<Expiry, String> {
    length(text).map(Expiry::In).ok_or_else(|| "use 90s, 45m, 2h, 30d".to_owned())
}

fn length(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let count: u64 = digits.parse().ok()?;
    let unit = match text.strip_prefix(digits)? {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _other => return None,
    };
    Some(Duration::from_secs(count.saturating_mul(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_time_or_so_long_from_now() {
        assert_eq!("2h".parse(), Ok(Expiry::In(Duration::from_hours(2))));
        assert_eq!("30d".parse(), Ok(Expiry::In(Duration::from_hours(720))));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(Expiry::At(Timestamp(1000))));
        for wrong in ["", "2", "h", "2 h", "-2h", "2hh", "tomorrow", "2026-01-31", "ä"] {
            assert!(wrong.parse::<Expiry>().is_err(), "{wrong}");
        }
        assert_eq!(within("90d"), Ok(Expiry::In(Duration::from_hours(2160))));
        assert!(within("1970-01-01T00:00:01Z").is_err());
    }
}
