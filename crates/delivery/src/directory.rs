//! The directory: who there is, and which roles, groups and app channels they have.

use tidings_api::Caller;
use tidings_delivery_core::Place;
use tidings_model::{Audience, Channel, Timestamp, UserId};
use tidings_store::{StoreError, Tx, params};

use crate::Person;

/// Somebody as the directory knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryUser {
    /// The caller's own id.
    pub user_id: UserId,
    /// How they are shown.
    pub display_name: String,
    /// Their roles, groups and app channels.
    pub channels: Vec<Channel>,
}

/// Enters a person, or brings name and channels up to date. Answers whether anything changed.
pub async fn put(tx: &Tx, user: &DirectoryUser, at: Place, now: Timestamp) -> Result<bool, StoreError> {
    let id = user.user_id.as_str();
    let known = tx
        .optional("SELECT display_name FROM directory_users WHERE user_id = $1", params![id])
        .await?
        .map(|row| row.get::<String>(0))
        .transpose()?;
    if known.is_none() {
        tx.execute(
            "INSERT INTO directory_users (user_id, display_name, created_at) VALUES ($1, $2, $3)",
            params![id, &user.display_name, now],
        )
        .await?;
        count(tx, "all", 1).await?;
    } else if known.as_deref() != Some(user.display_name.as_str()) {
        tx.execute(
            "UPDATE directory_users SET display_name = $2 WHERE user_id = $1",
            params![id, &user.display_name],
        )
        .await?;
    }
    let changed = set_channels(tx, &user.user_id, &user.channels, at).await?;
    Ok(known.is_none() || changed)
}

/// Gives a person exactly these channels. Answers whether they had others.
async fn set_channels(tx: &Tx, user: &UserId, channels: &[Channel], at: Place) -> Result<bool, StoreError> {
    let had = channels_of(tx, user).await?;
    for channel in channels.iter().filter(|channel| !had.contains(channel)) {
        tx.execute(
            "INSERT INTO directory_members (channel, user_id, joined_place) VALUES ($1, $2, $3)",
            params![channel.to_string(), user.as_str(), at.0],
        )
        .await?;
        count(tx, &channel.to_string(), 1).await?;
    }
    for channel in had.iter().filter(|channel| !channels.contains(channel)) {
        tx.execute(
            "DELETE FROM directory_members WHERE channel = $1 AND user_id = $2",
            params![channel.to_string(), user.as_str()],
        )
        .await?;
        count(tx, &channel.to_string(), -1).await?;
    }
    Ok(had.len() != channels.len() || channels.iter().any(|channel| !had.contains(channel)))
}

async fn count(tx: &Tx, channel: &str, by: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO channel_counts (channel, members) VALUES ($1, $2)
         ON CONFLICT (channel) DO UPDATE SET members = members + excluded.members",
        params![channel, by],
    )
    .await?;
    Ok(())
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
    let mut unknown = Vec::new();
    for user in users {
        let known = tx
            .optional("SELECT 1 FROM directory_users WHERE user_id = $1", params![user.as_str()])
            .await?;
        if known.is_none() {
            unknown.push(user.clone());
        }
    }
    Ok(unknown)
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
    let known = channels_of(tx, &caller.user_id).await?;
    let of = |claim: &Option<Vec<Channel>>, family: &str| -> Vec<Channel> {
        claim.clone().unwrap_or_else(|| known.iter().filter(|channel| channel.family() == family).cloned().collect())
    };
    let mut channels = of(&caller.roles, "role");
    channels.extend(of(&caller.groups, "group"));
    channels.extend(of(&caller.apps, "app"));
    Ok(Person::new(caller.user_id.clone(), channels))
}

/// Enters a caller whom the directory does not know, or whose token brings other channels.
pub async fn enter(tx: &Tx, caller_: &Caller, at: Place, now: Timestamp) -> Result<Person, StoreError> {
    let person = caller(tx, caller_).await?;
    let own = [Channel::All, Channel::User(person.user_id.clone())];
    let user = DirectoryUser {
        user_id: person.user_id.clone(),
        display_name: person.user_id.to_string(),
        channels: person.channels.iter().filter(|channel| !own.contains(channel)).cloned().collect(),
    };
    let name = tx
        .optional("SELECT display_name FROM directory_users WHERE user_id = $1", params![user.user_id.as_str()])
        .await?;
    let display_name = name.map_or(Ok(user.display_name.clone()), |row| row.get(0))?;
    put(tx, &DirectoryUser { display_name, ..user }, at, now).await?;
    Ok(person)
}

/// How many people an audience has now, and who of those that received `item` left it since.
pub async fn targeted(tx: &Tx, audience: &Audience, item: &str) -> Result<u64, StoreError> {
    if let ([channel @ Channel::All], []) = (audience.any.as_slice(), audience.none.as_slice()) {
        return members(tx, channel).await;
    }
    let names = |channels: &[Channel]| {
        let names: Vec<String> = channels.iter().map(ToString::to_string).collect();
        serde_json::to_string(&names).unwrap_or_default()
    };
    let row = tx
        .one(
            "SELECT COUNT(*) FROM (
               SELECT user_id FROM directory_members WHERE channel IN (SELECT value FROM json_each($1))
               UNION
               SELECT user_id FROM item_receipts WHERE item_id = $2)",
            params![names(&audience.any), item],
        )
        .await?;
    row.get(0)
}
