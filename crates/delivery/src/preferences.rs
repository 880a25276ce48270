//! What people do not want to hear of, and when: muted categories and quiet hours, in force from a place.
//!
//! A change of them goes the way of a change of channels ([`change`](crate::change)), so that gateways judge by it from
//! its place on. What was withheld by them is said once more when they no longer hold.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tidings_delivery_core::{
    self as core, InvalidQuietHours, PersonChange, Place, QuietHours,
    interval::{Interval, Intervals},
};
use tidings_model::{Timestamp, UserId};
use tidings_store::{StoreError, Tx, params};
use utoipa::ToSchema;

use crate::{directory, membership};

/// The most intervals of one category, and changes of quiet hours, that are remembered; the oldest go.
const KEPT: usize = 100;
/// People whose quiet hours one transaction ends.
const ENDED: usize = 20;

/// A part of each day in which only urgent messages are shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Quiet {
    /// When it begins.
    #[schema(example = "22:00")]
    pub start: String,
    /// When it ends; over midnight where that is earlier.
    #[schema(example = "07:00")]
    pub end: String,
    /// Whose clock: a name of the IANA database.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
}

impl Quiet {
    /// The quiet hours, or why they cannot be kept.
    pub fn hours(&self) -> Result<QuietHours, InvalidQuietHours> {
        QuietHours::new(&self.start, &self.end, &self.time_zone)
    }
}

/// What somebody does not want to hear of, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// Nothing of these categories, unless it is urgent.
    pub muted_categories: BTreeSet<String>,
    /// When it is quiet; never where there are none.
    pub quiet_hours: Option<Quiet>,
}

/// What changes about the preferences of a person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PreferencesChange {
    /// Categories that are not wanted any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub muted: Vec<String>,
    /// Categories that are wanted again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmuted: Vec<String>,
    /// Other quiet hours, or their end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<QuietChange>,
}

/// A change of quiet hours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuietChange {
    /// These from now on.
    Set(Quiet),
    /// None from now on.
    Removed,
}

impl PreferencesChange {
    /// What makes `wished` of `had`; none where they are the same.
    pub(crate) fn between(had: &Preferences, wished: &Preferences) -> Option<Self> {
        let less = |from: &Preferences, what: &Preferences| {
            from.muted_categories.difference(&what.muted_categories).cloned().collect()
        };
        let quiet = (had.quiet_hours != wished.quiet_hours)
            .then(|| wished.quiet_hours.clone().map_or(QuietChange::Removed, QuietChange::Set));
        let change = Self { muted: less(wished, had), unmuted: less(had, wished), quiet };
        (change != Self::default()).then_some(change)
    }

    /// Whether it may bring something that was withheld.
    pub(crate) fn frees(&self) -> bool {
        !self.unmuted.is_empty() || self.quiet.is_some()
    }

    /// The same as the verdict's person takes it.
    pub(crate) fn person_changes(&self) -> impl Iterator<Item = PersonChange> + '_ {
        let muted = self.muted.iter().cloned().map(PersonChange::Muted);
        let unmuted = self.unmuted.iter().cloned().map(PersonChange::Unmuted);
        let quiet = self.quiet.iter().map(|quiet| match quiet {
            // They were checked when they were set; what cannot be kept here is as if there were none.
            QuietChange::Set(quiet) => PersonChange::QuietHours(quiet.hours().ok()),
            QuietChange::Removed => PersonChange::QuietHours(None),
        });
        muted.chain(unmuted).chain(quiet)
    }
}

/// Mutes and quiet hours by place, as they lie in a row.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Kept {
    mutes: BTreeMap<String, Intervals>,
    quiet: Vec<(Place, Option<Quiet>)>,
}

impl Kept {
    fn now(&self) -> Preferences {
        let lasts = |intervals: &Intervals| intervals.iter().any(|interval| interval.until.is_none());
        let muted = self.mutes.iter().filter(|(_, intervals)| lasts(intervals));
        Preferences {
            muted_categories: muted.map(|(category, _)| category.clone()).collect(),
            quiet_hours: self.quiet.last().and_then(|(_, quiet)| quiet.clone()),
        }
    }

    fn apply(&mut self, change: &PreferencesChange, at: Place) {
        for category in &change.muted {
            let intervals = self.mutes.entry(category.clone()).or_default();
            intervals.open(at);
            let too_many = intervals.iter().count().saturating_sub(KEPT);
            let oldest = intervals.iter().nth(too_many);
            if let Some(oldest) = oldest.filter(|_| too_many > 0) {
                intervals.prune(oldest.from);
            }
        }
        for category in &change.unmuted {
            if let Some(intervals) = self.mutes.get_mut(category) {
                intervals.close(at);
            }
        }
        if let Some(quiet) = &change.quiet {
            let quiet = match quiet {
                QuietChange::Set(quiet) => Some(quiet.clone()),
                QuietChange::Removed => None,
            };
            if self.quiet.last().is_none_or(|(last, _)| *last < at) {
                self.quiet.push((at, quiet));
            }
            self.quiet.drain(..self.quiet.len().saturating_sub(KEPT));
        }
        self.mutes.retain(|_, intervals| !intervals.is_empty());
    }

    /// Gives the verdict's person what they wanted, by place.
    pub(crate) fn recall(&self, person: &mut core::Person) {
        for (category, intervals) in &self.mutes {
            for Interval { from, until } in intervals.iter() {
                person.apply(&PersonChange::Muted(category.clone()), from);
                if let Some(until) = until {
                    person.apply(&PersonChange::Unmuted(category.clone()), until);
                }
            }
        }
        for (at, quiet) in &self.quiet {
            let hours = quiet.as_ref().and_then(|quiet| quiet.hours().ok());
            person.apply(&PersonChange::QuietHours(hours), *at);
        }
    }
}

/// What somebody wanted, if they ever said so.
pub(crate) async fn kept(tx: &Tx, user: &UserId) -> Result<Option<Kept>, StoreError> {
    let row = tx
        .optional("SELECT kept FROM directory_preferences WHERE user_id = $1", params![user.as_str()])
        .await?;
    let Some(row) = row else { return Ok(None) };
    let wrong = |_cause| StoreError::Row { column: 0, found: "another text", wanted: "preferences" };
    serde_json::from_str(&row.get::<String>(0)?).map(Some).map_err(wrong)
}

/// What somebody wants now.
pub async fn of(tx: &Tx, user: &UserId) -> Result<Preferences, StoreError> {
    Ok(kept(tx, user).await?.unwrap_or_default().now())
}

/// Writes a change at its place.
pub(crate) async fn apply(
    tx: &Tx,
    user: &UserId,
    change: &PreferencesChange,
    at: core::Moment,
) -> Result<(), StoreError> {
    let mut kept = kept(tx, user).await?.unwrap_or_default();
    kept.apply(change, at.place);
    tx.execute(
        "INSERT INTO directory_preferences (user_id, kept, quiet_until) VALUES ($1, $2, $3)
         ON CONFLICT (user_id) DO UPDATE SET kept = excluded.kept, quiet_until = excluded.quiet_until",
        params![
            user.as_str(),
            serde_json::to_string(&kept).unwrap_or_default(),
            next_end(&kept.now(), at.time)
        ],
    )
    .await?;
    Ok(())
}

fn next_end(preferences: &Preferences, now: Timestamp) -> Option<Timestamp> {
    preferences.quiet_hours.as_ref()?.hours().ok()?.next_end(now)
}

/// Says once more what quiet hours withheld that are over, for some people; answers when there is more to do.
pub async fn end_quiet_hours(tx: &Tx, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let due = tx
        .query(
            "SELECT user_id FROM directory_preferences
             WHERE quiet_until <= $1
             ORDER BY quiet_until
             LIMIT $2",
            params![now, ENDED],
        )
        .await?;
    let users: BTreeSet<UserId> = due.iter().map(|row| row.parse(0)).collect::<Result<_, _>>()?;
    for user in &users {
        directory::hold(tx, user).await?;
        let preferences = of(tx, user).await?;
        tx.execute(
            "UPDATE directory_preferences SET quiet_until = $2 WHERE user_id = $1",
            params![user.as_str(), next_end(&preferences, now)],
        )
        .await?;
        membership::offer_withheld(tx, user, now).await?;
    }
    let next = tx.one("SELECT MIN(quiet_until) FROM directory_preferences", params![]).await?;
    next.get(0)
}
