//! Quiet hours: a part of each day, in the person's own zone, in which only urgent messages are offered.

use jiff::{
    civil::Time,
    tz::{AmbiguousOffset, TimeZone},
};
use tidings_model::Timestamp;

use crate::planted::{Bug, planted};

/// From `start` up to but not including `end`, each day; over midnight when `end` is earlier.
#[derive(Clone, Debug, PartialEq)]
pub struct QuietHours {
    start: Time,
    end: Time,
    zone: TimeZone,
}

/// Quiet hours that cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuietHours {
    /// Not a time of day.
    #[error("`{text}` is not a time of day like 22:00")]
    Time {
        /// What was given, cut to 64 characters.
        text: String,
    },
    /// Begins where it ends.
    #[error("quiet hours must not end at the time they start")]
    Empty,
    /// Not in the IANA database.
    #[error("`{name}` is not a time zone like Europe/Berlin")]
    Zone {
        /// What was given, cut to 64 characters.
        name: String,
    },
}

impl QuietHours {
    /// Quiet hours as people write them: `22:00`, `07:00`, `Europe/Berlin`.
    pub fn new(start: &str, end: &str, time_zone: &str) -> Result<Self, InvalidQuietHours> {
        let cut = |text: &str| text.chars().take(64).collect::<String>();
        let time = |text: &str| -> Result<Time, InvalidQuietHours> {
            text.parse().map_err(|_cause| InvalidQuietHours::Time { text: cut(text) })
        };
        let (start, end) = (time(start)?, time(end)?);
        if start == end {
            return Err(InvalidQuietHours::Empty);
        }
        let zone =
            TimeZone::get(time_zone).map_err(|_cause| InvalidQuietHours::Zone { name: cut(time_zone) })?;
        Ok(Self { start, end, zone })
    }

    /// When the quiet hours that `at` lies in are over; `None` when it lies in none.
    ///
    /// The clock on the wall decides: an hour that a zone skips is not waited for, one that it repeats is quiet
    /// both times.
    pub fn until(&self, at: Timestamp) -> Option<Timestamp> {
        let at = jiff::Timestamp::from_millisecond(at.millis()).ok()?;
        if !self.covers(at) {
            return None;
        }
        let local = self.zone.to_datetime(at);
        let date = if local.time() < self.end { local.date() } else { local.date().tomorrow().ok()? };
        let end = self.zone.to_ambiguous_timestamp(date.to_datetime(self.end));
        let end = match end.offset() {
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => end.compatible(),
            AmbiguousOffset::Fold { before, .. } => {
                // The wall shows `end` twice; the first one counts unless it is over.
                let first = before.to_timestamp(date.to_datetime(self.end));
                if first.as_ref().is_ok_and(|first| *first > at) { first } else { end.later() }
            }
        }
        .ok()?;
        // A zone may jump out of the quiet hours before their end.
        let left = self
            .zone
            .following(at)
            .map(|transition| transition.timestamp())
            .take_while(|transition| *transition < end)
            .find(|transition| !self.covers(*transition));
        Some(Timestamp(left.unwrap_or(end).as_millisecond()))
    }

    /// When quiet hours end next after `at`: those that `at` lies in, or the next ones.
    pub fn next_end(&self, at: Timestamp) -> Option<Timestamp> {
        if let Some(until) = self.until(at) {
            return Some(until);
        }
        let local = self.zone.to_datetime(jiff::Timestamp::from_millisecond(at.millis()).ok()?);
        let date = if local.time() < self.start { local.date() } else { local.date().tomorrow().ok()? };
        // A day whose quiet hours the zone skips has none; the next one is looked at.
        [date, date.tomorrow().ok()?].into_iter().find_map(|date| {
            let start = self.zone.to_ambiguous_timestamp(date.to_datetime(self.start)).compatible().ok()?;
            self.until(Timestamp(start.as_millisecond()))
        })
    }

    fn covers(&self, at: jiff::Timestamp) -> bool {
        let time = self.zone.to_datetime(at).time();
        if self.start < self.end || planted(Bug::OvernightForgotten) {
            self.start <= time && time < self.end
        } else {
            self.start <= time || time < self.end
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(start: &str, end: &str, zone: &str, at: &str) -> Option<String> {
        let quiet = QuietHours::new(start, end, zone).unwrap();
        quiet.until(at.parse().unwrap()).map(|until| until.to_string())
    }

    #[test]
    fn quiet_hours_over_midnight_end_in_the_morning() {
        let berlin = |at| until("22:00", "07:00", "Europe/Berlin", at);
        assert_eq!(berlin("2026-01-10T22:00:00+01:00"), Some("2026-01-11T06:00:00.000Z".to_owned()));
        assert_eq!(berlin("2026-01-11T06:59:59+01:00"), Some("2026-01-11T06:00:00.000Z".to_owned()));
        assert_eq!(berlin("2026-01-11T07:00:00+01:00"), None);
        assert_eq!(berlin("2026-01-11T21:59:59+01:00"), None);
    }

    #[test]
    fn the_next_end_is_that_of_these_quiet_hours_or_of_the_next_ones() {
        let berlin = |at: &str| {
            let quiet = QuietHours::new("22:00", "07:00", "Europe/Berlin").unwrap();
            quiet.next_end(at.parse().unwrap()).map(|end| end.to_string())
        };
        assert_eq!(berlin("2026-01-10T23:00:00+01:00"), Some("2026-01-11T06:00:00.000Z".to_owned()));
        assert_eq!(berlin("2026-01-11T07:00:00+01:00"), Some("2026-01-12T06:00:00.000Z".to_owned()));
        assert_eq!(berlin("2026-01-11T12:00:00+01:00"), Some("2026-01-12T06:00:00.000Z".to_owned()));
    }

    #[test]
    fn quiet_hours_within_a_day_end_on_that_day() {
        let new_york = |at| until("12:00", "13:00", "America/New_York", at);
        assert_eq!(new_york("2026-06-01T12:30:00-04:00"), Some("2026-06-01T17:00:00.000Z".to_owned()));
        assert_eq!(new_york("2026-06-01T13:00:00-04:00"), None);
    }

    #[test]
    fn an_end_that_the_zone_skips_is_the_moment_of_the_jump() {
        // 2026-03-29 02:00 becomes 03:00 in Berlin.
        assert_eq!(
            until("22:00", "02:30", "Europe/Berlin", "2026-03-29T01:30:00+01:00"),
            Some("2026-03-29T01:00:00.000Z".to_owned())
        );
    }

    #[test]
    fn an_hour_that_the_zone_repeats_is_quiet_both_times() {
        // 2026-10-25 03:00 becomes 02:00 in Berlin.
        let berlin = |at| until("01:00", "02:30", "Europe/Berlin", at);
        assert_eq!(berlin("2026-10-25T02:10:00+02:00"), Some("2026-10-25T00:30:00.000Z".to_owned()));
        assert_eq!(berlin("2026-10-25T02:10:00+01:00"), Some("2026-10-25T01:30:00.000Z".to_owned()));
    }

    #[test]
    fn quiet_hours_that_cannot_be_kept_are_refused_with_a_sentence() {
        let refused = |start, end, zone| QuietHours::new(start, end, zone).unwrap_err().to_string();
        assert_eq!(refused("25:00", "07:00", "UTC"), "`25:00` is not a time of day like 22:00");
        assert_eq!(refused("07:00", "07:00", "UTC"), "quiet hours must not end at the time they start");
        assert_eq!(
            refused("22:00", "07:00", "Mars/Base"),
            "`Mars/Base` is not a time zone like Europe/Berlin"
        );
    }
}
