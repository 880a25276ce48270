//! Plans: what wishes make of people, and what has to change for it.

use tidings_model::{Channel, UserId};
use tidings_store::{StoreError, Tx, Value, params};

use super::Wish;
use crate::{
    directory::{DirectoryUser, Listed, Listing},
    membership::Change,
    preferences::{self, PreferencesChange},
};

/// What people are to be, and what has to change for it.
#[derive(Default)]
pub(super) struct Plans {
    pub(super) users: Vec<DirectoryUser>,
    pub(super) changes: Vec<Change>,
    // Of whom nothing has to change that goes through the log.
    pub(super) same: Vec<UserId>,
    // Rows of another name, and of the newer time of a token that claims what was claimed before.
    shown_as: Vec<Vec<Value>>,
    claimed: Vec<Vec<Value>>,
}

impl Plans {
    pub(super) async fn add(&mut self, tx: &Tx, wish: &Wish, listing: &Listing) -> Result<(), StoreError> {
        let user = wish.user_id.clone();
        let (listed, had) = listing.find(&user);
        let disabled = listed.is_some_and(|listed| listed.disabled);
        let older = matches!((listed, wish.claimed_at), (Some(listed), Some(at)) if at < listed.claimed_at);
        let channels = if older { had.to_vec() } else { wish.channels(had) };
        let name = wish.display_name.as_ref().or(listed.map(|listed| &listed.display_name));
        let planned = DirectoryUser {
            user_id: user.clone(),
            display_name: name.map_or_else(|| user.to_string(), Clone::clone),
            channels,
            disabled: wish.disabled.unwrap_or(disabled),
        };
        let change = if wish.gone && listed.is_none() {
            None
        } else {
            let preferences = match &wish.preferences {
                Some(wished) => PreferencesChange::between(&preferences::of(tx, &user).await?, wished),
                None => None,
            };
            let lacks = |of: &[Channel], channel: &&Channel| !of.contains(channel);
            let joined = planned.channels.iter().filter(|channel| lacks(had, channel));
            let left = had.iter().filter(|channel| lacks(&planned.channels, channel));
            Some(Change {
                preferences,
                disabled: wish.disabled.filter(|wished| *wished != disabled),
                gone: wish.gone,
                entered_as: listed.is_none().then(|| planned.display_name.clone()),
                joined: joined.cloned().collect(),
                left: left.cloned().collect(),
                claimed_at: wish.claimed_at.filter(|_| !older),
                user_id: user.clone(),
            })
        };
        let change = match (change, listed) {
            (Some(change), Some(listed)) => self.without_what_is_at_once(change, listed, &planned),
            (change, _) => change,
        };
        self.users.push(planned);
        match change {
            Some(change) => self.changes.push(change),
            None => self.same.push(user),
        }
        Ok(())
    }

    /// Of somebody who is listed, names change at once, and so do times of tokens where nothing else does.
    fn without_what_is_at_once(
        &mut self,
        change: Change,
        listed: &Listed,
        planned: &DirectoryUser,
    ) -> Option<Change> {
        let user = change.user_id.as_str();
        if listed.display_name != planned.display_name {
            self.shown_as.push(params![user, &planned.display_name].to_vec());
        }
        let alters = !change.joined.is_empty()
            || !change.left.is_empty()
            || change.preferences.is_some()
            || change.disabled.is_some()
            || change.gone;
        if alters {
            return Some(change);
        }
        if let Some(claimed_at) = change.claimed_at.filter(|claimed_at| *claimed_at > listed.claimed_at) {
            self.claimed.push(params![user, claimed_at].to_vec());
        }
        None
    }

    pub(super) async fn write_at_once(&self, tx: &Tx) -> Result<(), StoreError> {
        tx.execute_all("UPDATE directory_users SET display_name = $2 WHERE user_id = $1", &self.shown_as)
            .await?;
        tx.execute_all("UPDATE directory_users SET claimed_at = $2 WHERE user_id = $1", &self.claimed)
            .await?;
        Ok(())
    }
}
