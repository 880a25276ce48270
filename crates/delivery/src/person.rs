//! A person as delivery sees them: the channels they have.

use std::collections::BTreeSet;

use tidings_model::{Channel, UserId};

use crate::DeliveryRecord;

/// A person and their channels, as they are now.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who.
    pub user_id: UserId,
    /// What they listen to.
    pub channels: BTreeSet<Channel>,
}

impl Person {
    /// Somebody with these roles, groups and app channels; everybody has `all` and their own.
    pub fn new(user_id: UserId, member_of: impl IntoIterator<Item = Channel>) -> Self {
        let mut channels: BTreeSet<Channel> = member_of.into_iter().collect();
        channels.insert(Channel::All);
        channels.insert(Channel::User(user_id.clone()));
        Self { user_id, channels }
    }

    /// Whether a record is for somebody with these channels.
    pub fn is_addressed(&self, record: &DeliveryRecord) -> bool {
        record.audience.includes(|channel| self.channels.contains(channel))
    }

    /// The channels as a JSON list, for the statements that search by them.
    pub(crate) fn channels_json(&self) -> String {
        let names: Vec<String> = self.channels.iter().map(ToString::to_string).collect();
        serde_json::to_string(&names).unwrap_or_default()
    }
}
