//! Whom an item is for, counted and listed: people who are in its audience now, and those who left it after they
//! received it.

use std::collections::BTreeSet;

use tidings_delivery_core::Place;
use tidings_model::{Audience, Channel, UserId};
use tidings_store::{Row, StoreError, Tx, params};

use crate::directory;

/// Whom an item is for.
#[derive(Clone, Debug)]
pub struct Reach {
    /// Who is meant.
    pub audience: Audience,
    /// The item; one that was not delivered yet has been received by nobody.
    pub item: String,
    /// Whether those are meant too who joined after it was delivered.
    pub late_joiners: bool,
}

impl Reach {
    /// How many people. One channel is counted by its counter, whoever came after the item and whoever left it since;
    /// several are counted one by one.
    pub async fn count(&self, tx: &Tx) -> Result<u64, StoreError> {
        let upto = self.upto(tx).await?;
        match (self.audience.any.as_slice(), self.audience.none.as_slice()) {
            ([channel @ (Channel::All | Channel::Role(_) | Channel::Group(_) | Channel::App(_))], []) => {
                let members = directory::members(tx, channel).await?;
                let later = self.joined_after(tx, channel, upto).await?;
                Ok(members.saturating_sub(later) + self.received_and_left(tx, channel, upto).await?)
            }
            _several => self.count_each(tx, upto).await,
        }
    }

    /// The last place at which somebody could join and still be meant.
    async fn upto(&self, tx: &Tx) -> Result<Place, StoreError> {
        if self.late_joiners {
            return Ok(Place::MAX);
        }
        let row =
            tx.one("SELECT MIN(place) FROM delivery_records WHERE subject = $1", params![&self.item]).await?;
        Ok(row.get::<Option<u64>>(0)?.map_or(Place::MAX, Place))
    }

    /// How many people came to a channel after a place.
    async fn joined_after(&self, tx: &Tx, channel: &Channel, upto: Place) -> Result<u64, StoreError> {
        if upto == Place::MAX {
            return Ok(0);
        }
        let row = if *channel == Channel::All {
            tx.one("SELECT COUNT(*) FROM directory_users WHERE joined_place > $1", params![upto.0]).await?
        } else {
            tx.one(
                "SELECT COUNT(*) FROM directory_members WHERE channel = $1 AND joined_place > $2",
                params![channel.to_string(), upto.0],
            )
            .await?
        };
        row.get(0)
    }

    /// How many people received it and left the channel since.
    async fn received_and_left(&self, tx: &Tx, channel: &Channel, upto: Place) -> Result<u64, StoreError> {
        let row = tx
            .one(
                "SELECT COUNT(DISTINCT f.user_id)
                 FROM directory_former f
                 WHERE f.channel = $1
                   AND f.left_place > (SELECT COALESCE(MIN(place), 0) FROM delivery_records WHERE subject = $2)
                   AND EXISTS (SELECT 1 FROM item_receipts r WHERE r.user_id = f.user_id AND r.item_id = $2)
                   AND NOT EXISTS (SELECT 1 FROM directory_members m
                                   WHERE m.channel = $1 AND m.user_id = f.user_id AND m.joined_place <= $3)
                   AND NOT ($1 = 'all' AND EXISTS (SELECT 1 FROM directory_users u
                                                   WHERE u.user_id = f.user_id AND u.joined_place <= $3))",
                params![channel.to_string(), &self.item, upto.0],
            )
            .await?;
        row.get(0)
    }

    async fn count_each(&self, tx: &Tx, upto: Place) -> Result<u64, StoreError> {
        let row = tx
            .one(
                "SELECT COUNT(*) FROM (
                   SELECT user_id FROM directory_members
                   WHERE channel IN (SELECT value FROM json_each($1)) AND joined_place <= $4
                     AND user_id NOT IN (SELECT user_id FROM directory_members
                                         WHERE channel IN (SELECT value FROM json_each($2)))
                   UNION
                   SELECT user_id FROM directory_users
                   WHERE CAST($5 AS BIGINT) = 1 AND joined_place <= $4
                     AND user_id NOT IN (SELECT user_id FROM directory_members
                                         WHERE channel IN (SELECT value FROM json_each($2)))
                   UNION
                   SELECT value FROM json_each($6)
                   UNION
                   SELECT user_id FROM item_receipts WHERE item_id = $3) AS people",
                params![
                    names(&self.audience.any),
                    names(&self.audience.none),
                    &self.item,
                    upto.0,
                    self.audience.any.contains(&Channel::All),
                    serde_json::to_string(&self.users(tx).await?).unwrap_or_default()
                ],
            )
            .await?;
        row.get(0)
    }

    /// People who are meant by their own channel.
    async fn users(&self, tx: &Tx) -> Result<BTreeSet<UserId>, StoreError> {
        let mut users = BTreeSet::new();
        for channel in &self.audience.any {
            if let Channel::User(user) = channel
                && !self.excludes(tx, user).await?
            {
                users.insert(user.clone());
            }
        }
        Ok(users)
    }

    /// People by id, after one of them: at most `limit`.
    pub async fn page(
        &self,
        tx: &Tx,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<UserId>, StoreError> {
        let upto = self.upto(tx).await?;
        let mut from = after.cloned();
        let mut page = Vec::new();
        loop {
            let run = self.run(tx, from.as_ref(), upto, limit).await?;
            for (user, received) in &run {
                if page.len() < limit && (*received || !self.excludes(tx, user).await?) {
                    page.push(user.clone());
                }
            }
            if page.len() == limit || run.len() < limit {
                return Ok(page);
            }
            from = run.into_iter().next_back().map(|(user, _)| user);
        }
    }

    /// The next people of any of the channels, and whether each has received it; who is excluded among them.
    async fn run(
        &self,
        tx: &Tx,
        after: Option<&UserId>,
        upto: Place,
        limit: usize,
    ) -> Result<Vec<(UserId, bool)>, StoreError> {
        let from = after.map_or("", UserId::as_str);
        let mut people: BTreeSet<UserId> = BTreeSet::new();
        let mut take = |rows: Vec<Row>| -> Result<(), StoreError> {
            for row in &rows {
                people.insert(row.parse(0)?);
            }
            Ok(())
        };
        for channel in &self.audience.any {
            match channel {
                Channel::All => take(
                    tx.query(
                        "SELECT user_id FROM directory_users
                         WHERE user_id > $1 AND joined_place <= $2
                         ORDER BY user_id
                         LIMIT $3",
                        params![from, upto.0, limit],
                    )
                    .await?,
                )?,
                Channel::User(_) => {}
                Channel::Role(_)
                | Channel::Group(_)
                | Channel::App(_)
                | Channel::Conversation(_)
                | Channel::Author(_) => take(
                    tx.query(
                        "SELECT user_id FROM directory_members
                         WHERE channel = $1 AND user_id > $2 AND joined_place <= $3
                         ORDER BY user_id
                         LIMIT $4",
                        params![channel.to_string(), from, upto.0, limit],
                    )
                    .await?,
                )?,
            }
        }
        let received = tx
            .query(
                "SELECT user_id FROM item_receipts
                 WHERE item_id = $1 AND user_id > $2
                 ORDER BY user_id
                 LIMIT $3",
                params![&self.item, from, limit],
            )
            .await?;
        let received = received.iter().map(|row| row.parse(0)).collect::<Result<BTreeSet<UserId>, _>>()?;
        for channel in &self.audience.any {
            if let Channel::User(user) = channel
                && user.as_str() > from
            {
                people.insert(user.clone());
            }
        }
        people.extend(received.iter().cloned());
        Ok(people.into_iter().take(limit).map(|user| (user.clone(), received.contains(&user))).collect())
    }

    async fn excludes(&self, tx: &Tx, user: &UserId) -> Result<bool, StoreError> {
        if self.audience.none.is_empty() {
            return Ok(false);
        }
        let row = tx
            .optional(
                "SELECT 1 FROM directory_members
                 WHERE user_id = $1 AND channel IN (SELECT value FROM json_each($2))
                 LIMIT 1",
                params![user.as_str(), names(&self.audience.none)],
            )
            .await?;
        Ok(row.is_some() || self.audience.none.contains(&Channel::User(user.clone())))
    }
}

fn names(channels: &[Channel]) -> String {
    let names: Vec<String> = channels.iter().map(ToString::to_string).collect();
    serde_json::to_string(&names).unwrap_or_default()
}
