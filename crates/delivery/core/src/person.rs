//! A person, as far as the verdict needs them: what they were member of, muted and set, by place.

use std::collections::BTreeMap;

use tidings_model::{Channel, UserId};

use crate::{
    Place, QuietHours,
    interval::{ByPlace, Interval, Intervals},
    planted::{Bug, planted},
};

/// A change of memberships or preferences; each is a record on `user:<id>`, in force from its place.
#[derive(Clone, Debug, PartialEq)]
pub enum PersonChange {
    /// Listens to a channel from now on.
    Joined(Channel),
    /// Listens to it no more.
    Left(Channel),
    /// Wants nothing of a category.
    Muted(String),
    /// Wants it again.
    Unmuted(String),
    /// Set quiet hours, or removed them.
    QuietHours(Option<QuietHours>),
}

/// Everything about a person that decides what they are offered.
#[derive(Clone, Debug)]
pub struct Person {
    id: UserId,
    memberships: BTreeMap<Channel, Intervals>,
    mutes: BTreeMap<String, Intervals>,
    quiet_hours: ByPlace<Option<QuietHours>>,
}

impl Person {
    /// Somebody who listens to their own channel only.
    pub fn new(id: UserId) -> Self {
        Self { id, memberships: BTreeMap::new(), mutes: BTreeMap::new(), quiet_hours: ByPlace::default() }
    }

    /// Who it is.
    pub fn id(&self) -> &UserId {
        &self.id
    }

    /// Takes a change from its place on; a repeat changes nothing.
    pub fn apply(&mut self, change: &PersonChange, at: Place) {
        match change {
            PersonChange::Joined(channel) => self.memberships.entry(channel.clone()).or_default().open(at),
            PersonChange::Left(channel) => {
                if let Some(intervals) = self.memberships.get_mut(channel) {
                    intervals.close(at);
                }
            }
            PersonChange::Muted(category) => self.mutes.entry(category.clone()).or_default().open(at),
            PersonChange::Unmuted(category) => {
                if let Some(intervals) = self.mutes.get_mut(category) {
                    intervals.close(at);
                }
            }
            PersonChange::QuietHours(quiet_hours) => self.quiet_hours.set(at, quiet_hours.clone()),
        }
    }

    /// Forgets what no message at or after `needed` asks for: the place of the oldest one that has not ended.
    pub fn prune(&mut self, needed: Place) {
        for intervals in self.memberships.values_mut().chain(self.mutes.values_mut()) {
            intervals.prune(needed);
        }
        self.memberships.retain(|_, intervals| !intervals.is_empty());
        self.mutes.retain(|_, intervals| !intervals.is_empty());
        self.quiet_hours.prune(needed);
    }

    /// Whether they listened to a channel at a place.
    pub fn listens(&self, channel: &Channel, at: Place) -> bool {
        self.listened_since(channel, at).is_some()
    }

    /// The membership of a channel that held at a place; one's own channel is for ever.
    pub(crate) fn listened_since(&self, channel: &Channel, at: Place) -> Option<Interval> {
        if matches!(channel, Channel::User(id) if *id == self.id) {
            return Some(Interval { from: Place::ORIGIN, until: None });
        }
        let at = if planted(Bug::MembershipJudgedAtHead) { Place::MAX } else { at };
        self.memberships.get(channel)?.containing(at)
    }

    /// The channels they listen to or did, their own included: where messages for them lie.
    pub fn channels(&self) -> impl Iterator<Item = Channel> + '_ {
        [Channel::User(self.id.clone())].into_iter().chain(self.memberships.keys().cloned())
    }

    /// The channels they listened to at a place, their own included: where a gateway looks for their records.
    pub fn channels_at(&self, at: Place) -> impl Iterator<Item = Channel> + '_ {
        let listened = self.memberships.iter().filter(move |(_, intervals)| intervals.contains(at));
        [Channel::User(self.id.clone())].into_iter().chain(listened.map(|(channel, _)| channel.clone()))
    }

    pub(crate) fn memberships(&self, channel: &Channel) -> Option<&Intervals> {
        self.memberships.get(channel)
    }

    pub(crate) fn mutes(&self, category: &str, at: Place) -> bool {
        self.mutes.get(category).is_some_and(|intervals| intervals.contains(at))
    }

    pub(crate) fn quiet_hours(&self, at: Place) -> Option<&QuietHours> {
        self.quiet_hours.at(at)?.as_ref()
    }
}
