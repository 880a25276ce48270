//! The directory: who there is, and which roles, groups and app channels they have.

use std::collections::{BTreeMap, HashMap};

use futures_util::future::try_join;
use tidings_api::{Caller, Standing};
use tidings_delivery_core as core;
use tidings_delivery_core::{PersonChange, Place};
use tidings_model::{Channel, Timestamp, UserId};
use tidings_store::{StoreError, Tx, params};

use crate::{Person, change::Wish, preferences};

/// Somebody as the directory knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryUser {
    /// The caller's own id.
    pub user_id: UserId,
    /// How they are shown.
    pub display_name: String,
    /// Their roles, groups and app channels.
    pub channels: Vec<Channel>,
    /// Whether they may come in no more.
    pub disabled: bool,
}

/// By how many people each channel grows or shrinks with a transaction, by the channel's text form.
pub(crate) type Counts = BTreeMap<String, i64>;

/// Moves the counts of channels.
pub(crate) async fn count(tx: &Tx, counts: Counts) -> Result<(), StoreError> {
    let moved = counts.into_iter().filter(|(_, by)| *by != 0);
    let rows: Vec<_> = moved.map(|(channel, by)| params![channel, by].to_vec()).collect();
    tx.execute_all(
        "INSERT INTO channel_counts (channel, members) VALUES ($1, $2)
         ON CONFLICT (channel) DO UPDATE SET members = channel_counts.members + excluded.members",
        &rows,
    )
    .await?;
    Ok(())
}

/// Somebody as their rows say.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) display_name: String,
    pub(crate) claimed_at: Timestamp,
    pub(crate) disabled: bool,
}

/// People as their rows say.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    users: HashMap<String, Listed>,
    channels: HashMap<String, Vec<Channel>>,
}

impl Listing {
    /// Reads the rows of people.
    pub(crate) async fn of(tx: &Tx, users: impl Iterator<Item = &UserId>) -> Result<Self, StoreError> {
        let (mut listing, ids) = (Self::default(), ids(users));
        let rows = tx
            .query(
                "SELECT user_id, display_name, claimed_at, disabled
                 FROM directory_users
                 WHERE user_id IN (SELECT value FROM json_each($1))",
                params![&ids],
            )
            .await?;
        for row in &rows {
            let (display_name, claimed_at) = (row.get(1)?, row.get(2)?);
            let listed = Listed { display_name, claimed_at, disabled: row.get::<u32>(3)? == 1 };
            listing.users.insert(row.get(0)?, listed);
        }
        let rows = tx
            .query(
                "SELECT user_id, channel
                 FROM directory_members
                 WHERE user_id IN (SELECT value FROM json_each($1))
                 ORDER BY user_id, channel",
                params![&ids],
            )
            .await?;
        for row in &rows {
            listing.channels.entry(row.get(0)?).or_default().push(row.parse(1)?);
        }
        Ok(listing)
    }

    /// Somebody's row, and their roles, groups and app channels.
    pub(crate) fn find(&self, user: &UserId) -> (Option<&Listed>, &[Channel]) {
        let channels = self.channels.get(user.as_str()).map_or(&[][..], Vec::as_slice);
        (self.users.get(user.as_str()), channels)
    }
}

/// The ids of people as a JSON list, for the statements that search by them.
pub(crate) fn ids<'a>(users: impl Iterator<Item = &'a UserId>) -> String {
    let ids: Vec<&str> = users.map(UserId::as_str).collect();
    serde_json::to_string(&ids).unwrap_or_default()
}

/// The roles, groups and app channels of a person.
pub async fn channels_of(tx: &Tx, user: &UserId) -> Result<Vec<Channel>, StoreError> {
    let rows = tx
        .query(
            "SELECT channel FROM directory_members WHERE user_id = $1 ORDER BY channel",
            params![user.as_str()],
        )
        .await?;
    rows.iter().map(|row| row.parse(0)).collect()
}

/// A person with the channels that the directory gives them.
pub async fn person(tx: &Tx, user: &UserId) -> Result<Person, StoreError> {
    Ok(Person::new(user.clone(), channels_of(tx, user).await?))
}

/// Which of these people the directory does not know.
pub async fn unknown(tx: &Tx, users: &[UserId]) -> Result<Vec<UserId>, StoreError> {
    let rows = tx
        .query(
            "SELECT value FROM json_each($1)
             WHERE value NOT IN (SELECT user_id FROM directory_users
                                 WHERE user_id IN (SELECT value FROM json_each($1)))",
            params![ids(users.iter())],
        )
        .await?;
    rows.iter().map(|row| row.parse(0)).collect()
}

/// How many people a channel has.
pub async fn members(tx: &Tx, channel: &Channel) -> Result<u64, StoreError> {
    let row = tx
        .optional("SELECT members FROM channel_counts WHERE channel = $1", params![channel.to_string()])
        .await?;
    row.map_or(Ok(0), |row| row.get(0))
}

/// A caller with their channels: a claim of the token replaces the directory's word, an absent one leaves it.
pub async fn caller(tx: &Tx, caller: &Caller) -> Result<Person, StoreError> {
    let channels = Wish::of_caller(caller).channels(&channels_of(tx, &caller.user_id).await?);
    Ok(Person::new(caller.user_id.clone(), channels))
}

/// Holds a person: their channels, sessions and inbox are read and then changed by one transaction at a time.
/// Several people are held in the order of their ids.
pub async fn hold(tx: &Tx, user: &UserId) -> Result<(), StoreError> {
    tx.lock("person", user.as_str()).await
}

/// Whether entering a caller would change nothing.
pub async fn knows(tx: &Tx, caller_: &Caller) -> Result<bool, StoreError> {
    let row = tx
        .optional(
            "SELECT claimed_at FROM directory_users WHERE user_id = $1",
            params![caller_.user_id.as_str()],
        )
        .await?;
    let Some(row) = row else { return Ok(false) };
    if caller_.issued_at < row.get(0)? {
        return Ok(true);
    }
    let (claimed, listed) = (caller(tx, caller_).await?, person(tx, &caller_.user_id).await?);
    Ok(claimed.channels == listed.channels)
}

/// A person with all they were member of and wanted, by place: what the verdict asks.
pub async fn history(tx: &Tx, user: &UserId) -> Result<core::Person, StoreError> {
    let memberships = async {
        tx.query(
            "SELECT channel, joined_place, left_place FROM directory_former WHERE user_id = $1
             UNION ALL
             SELECT channel, joined_place, NULL FROM directory_members WHERE user_id = $1
             UNION ALL
             SELECT 'all', joined_place, NULL FROM directory_users WHERE user_id = $1
             ORDER BY 2",
            params![user.as_str()],
        )
        .await
    };
    let (rows, wanted) = try_join(memberships, preferences::kept(tx, user)).await?;
    let mut person = core::Person::new(user.clone());
    for row in &rows {
        let channel: Channel = row.parse(0)?;
        person.apply(&PersonChange::Joined(channel.clone()), Place(row.get(1)?));
        if let Some(left) = row.get::<Option<u64>>(2)? {
            person.apply(&PersonChange::Left(channel), Place(left));
        }
    }
    if let Some(wanted) = wanted {
        wanted.recall(&mut person);
    }
    Ok(person)
}

/// The place of the newest change of the channels of any of these people.
pub(crate) async fn newest_change(
    tx: &Tx,
    users: impl Iterator<Item = &UserId>,
) -> Result<Place, StoreError> {
    let row = tx
        .one(
            "SELECT COALESCE(MAX(changed_place), 0)
             FROM directory_users
             WHERE user_id IN (SELECT value FROM json_each($1))",
            params![ids(users)],
        )
        .await?;
    Ok(Place(row.get(0)?))
}

/// The place of the newest change of a person's channels.
pub async fn changed_place(tx: &Tx, user: &UserId) -> Result<Place, StoreError> {
    let row = tx
        .optional("SELECT changed_place FROM directory_users WHERE user_id = $1", params![user.as_str()])
        .await?;
    row.map_or(Ok(Place::ORIGIN), |row| Ok(Place(row.get(0)?)))
}

/// Whether somebody may come in, and whether the directory makes them an administrator.
pub async fn standing(tx: &Tx, user: &UserId) -> Result<Standing, StoreError> {
    let row = tx
        .optional(
            "SELECT disabled, EXISTS (SELECT 1 FROM directory_members WHERE channel = 'role:admin' AND user_id = $1)
             FROM directory_users
             WHERE user_id = $1",
            params![user.as_str()],
        )
        .await?;
    let Some(row) = row else { return Ok(Standing::default()) };
    Ok(Standing { disabled: row.get::<u32>(0)? == 1, admin: row.get::<u32>(1)? == 1 })
}

/// Somebody, with their roles, groups and app channels.
pub async fn find(tx: &Tx, user: &UserId) -> Result<Option<DirectoryUser>, StoreError> {
    let row = tx
        .optional(
            "SELECT display_name, disabled FROM directory_users WHERE user_id = $1",
            params![user.as_str()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (channels, disabled) = (channels_of(tx, user).await?, row.get::<u32>(1)? == 1);
    Ok(Some(DirectoryUser { user_id: user.clone(), display_name: row.get(0)?, channels, disabled }))
}

/// People whose id begins with `prefix`, by id, after one of them. A run of the primary key.
pub async fn list(
    tx: &Tx,
    prefix: &str,
    after: Option<String>,
    limit: usize,
) -> Result<Vec<DirectoryUser>, StoreError> {
    // No id that begins like this comes after the last character there is.
    let end = format!("{prefix}\u{10FFFF}");
    let rows = tx
        .query(
            "SELECT user_id, display_name, disabled
             FROM directory_users
             WHERE user_id >= $1 AND user_id < $2 AND user_id > $3
             ORDER BY user_id
             LIMIT $4",
            params![prefix, end, after.unwrap_or_default(), limit],
        )
        .await?;
    let mut users = Vec::with_capacity(rows.len());
    for row in &rows {
        let user_id: UserId = row.parse(0)?;
        let channels = channels_of(tx, &user_id).await?;
        let disabled = row.get::<u32>(2)? == 1;
        users.push(DirectoryUser { user_id, display_name: row.get(1)?, channels, disabled });
    }
    Ok(users)
}
