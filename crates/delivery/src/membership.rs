//! Changes of a person's channels: in force from a place, told to gateways, and owed what is active.
//!
//! Whoever has a session may be connected anywhere, so the change is itself a record on `user:<id>`, and what is
//! active on a channel gained is written once more for them, late. Whoever has none finds it all on connecting;
//! their changes share places that nothing was delivered at.

use tidings_delivery_core::{
    self as core, Moment, Place,
    late::{self, Said},
    session::Session,
};
use tidings_model::{Audience, Channel, Timestamp, UserId};
use tidings_store::{StoreError, Tx, params};

use crate::{
    Delivery, DeliveryRecord, MEMBERSHIP, MEMBERSHIP_EVENT, Membership, backlog, deliver, directory, frame,
    generations, sessions,
};

/// Active messages that one change repeats for a person; what is beyond them is found by paging the inbox.
const LATE_MAX: usize = 200;

/// Gives a person exactly these roles, groups and app channels. Answers whether they had others. `entered` is the
/// place at which they entered the directory in this transaction.
pub(crate) async fn set_channels(
    tx: &Tx,
    user: &UserId,
    channels: &[Channel],
    entered: Option<Place>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let had = directory::channels_of(tx, user).await?;
    let joined: Vec<Channel> = channels.iter().filter(|channel| !had.contains(channel)).cloned().collect();
    let left: Vec<Channel> = had.iter().filter(|channel| !channels.contains(channel)).cloned().collect();
    if joined.is_empty() && left.is_empty() {
        return Ok(false);
    }
    let sessions = sessions::of(tx, user).await?;
    let at = match entered {
        Some(entered) if sessions.is_empty() => entered,
        None if sessions.is_empty() => quiet_place(tx, user, now).await?,
        _told => tell(tx, user, &Membership { joined: joined.clone(), left: left.clone() }, now).await?,
    };
    for channel in &joined {
        join(tx, user, channel, at).await?;
    }
    for channel in &left {
        leave(tx, user, channel, at).await?;
    }
    tx.execute(
        "UPDATE directory_users SET changed_place = $2 WHERE user_id = $1",
        params![user.as_str(), at.0],
    )
    .await?;
    if !sessions.is_empty() {
        offer_active(tx, user, &joined, &sessions, Moment { place: at, time: now }).await?;
    }
    Ok(true)
}

/// A place for a change that nobody has to be told of: later than the person's last change, and not the place of
/// a delivery, of which it would be unclear which came first. An import of a million people needs one such place.
pub(crate) async fn quiet_place(tx: &Tx, user: &UserId, now: Timestamp) -> Result<Place, StoreError> {
    let head = deliver::head(tx).await?;
    let row = tx.one("SELECT COALESCE(MAX(place), 0) FROM delivery_records", params![]).await?;
    let delivered = Place(row.get(0)?);
    if delivered < head && directory::changed_place(tx, user).await? < head {
        return Ok(head);
    }
    write(tx, user, Audience::default(), &Membership::default(), now).await
}

/// Writes the record that gateways resubscribe by.
async fn tell(tx: &Tx, user: &UserId, change: &Membership, now: Timestamp) -> Result<Place, StoreError> {
    write(tx, user, Audience::of(Channel::User(user.clone())), change, now).await
}

async fn write(
    tx: &Tx,
    user: &UserId,
    audience: Audience,
    change: &Membership,
    now: Timestamp,
) -> Result<Place, StoreError> {
    let next = deliver::head(tx).await?.next();
    let id = format!("{MEMBERSHIP_EVENT}{user}/{next}").parse();
    let Ok(event_id) = id else { return Err(StoreError::Suspended) };
    let data = serde_json::value::to_raw_value(change).unwrap_or_default();
    let record = DeliveryRecord::change(event_id, MEMBERSHIP, user.as_str(), audience, now, data);
    deliver(tx, &record, None).await
}

async fn join(tx: &Tx, user: &UserId, channel: &Channel, at: Place) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO directory_members (channel, user_id, joined_place) VALUES ($1, $2, $3)",
        params![channel.to_string(), user.as_str(), at.0],
    )
    .await?;
    directory::count(tx, &channel.to_string(), 1).await
}

async fn leave(tx: &Tx, user: &UserId, channel: &Channel, at: Place) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO directory_former (user_id, channel, joined_place, left_place)
         SELECT user_id, channel, joined_place, $3
         FROM directory_members
         WHERE channel = $1 AND user_id = $2
         ON CONFLICT DO NOTHING",
        params![channel.to_string(), user.as_str(), at.0],
    )
    .await?;
    tx.execute(
        "DELETE FROM directory_members WHERE channel = $1 AND user_id = $2",
        params![channel.to_string(), user.as_str()],
    )
    .await?;
    directory::count(tx, &channel.to_string(), -1).await
}

/// Repeats, late, what is active on the channels gained and what the person is owed by now.
async fn offer_active(
    tx: &Tx,
    user: &UserId,
    joined: &[Channel],
    sessions: &[Session],
    now: Moment,
) -> Result<(), StoreError> {
    let person = directory::history(tx, user).await?;
    let own = Channel::User(user.clone());
    let generation = generations::current(tx).await?;
    let repeated = backlog::active_on(tx, generation, &own, Place::ORIGIN, LATE_MAX).await?;
    for channel in joined {
        for said in backlog::active_on(tx, generation, channel, Place::ORIGIN, LATE_MAX).await? {
            let first = said.facts().first;
            let newest_late = repeated.iter().rfind(|late| late.facts().late && late.facts().first == first);
            let known = Said {
                original: said.facts(),
                newest_late: newest_late.map(Delivery::facts),
                on_its_way: false,
            };
            if late::owed(&person, sessions, known, now).is_some() {
                repeat(tx, &person, &said, now.time).await?;
            }
        }
    }
    Ok(())
}

/// Writes an event once more for one person, at a new place.
async fn repeat(tx: &Tx, person: &core::Person, said: &Delivery, now: Timestamp) -> Result<(), StoreError> {
    let facts = late::record_for(person, said.facts(), now);
    let record = DeliveryRecord {
        event_id: facts.event_id,
        kind: facts.kind,
        frame_type: said.frame_type().to_owned(),
        subject: facts.subject,
        audience: facts.audience,
        said_to: facts.said_to,
        first: Some(facts.first),
        priority: facts.priority,
        category: facts.category,
        time: facts.time,
        expires_at: facts.expires_at,
        late: facts.late,
        late_joiners: facts.late_joiners,
        removes: facts.removes,
        data: frame::data(said.json()),
    };
    deliver(tx, &record, None).await?;
    Ok(())
}
