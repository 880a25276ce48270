//! Changes of a person's channels and preferences: in force from a place, told to gateways, and owed what is active.
//!
//! A change is itself a record, for whoever has a session may be connected anywhere. Where the log is embedded it
//! is in force with the transaction that writes it, and changes of people without a session, whom nobody need
//! tell, share places that nothing was delivered at. Where a relay fills the log, the record carries the change and
//! the projection applies it at its place. What is active on a channel gained is written once more for people who
//! have a session, late; who has none finds it on connecting.

mod rows;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tidings_delivery_core::{
    self as core, Moment, PersonChange, Place,
    late::{self, Said},
    session::Session,
};
use tidings_model::{Audience, Channel, EventId, Timestamp, UserId};
use tidings_store::{Appends, StoreError, Tx, params};

use self::rows::apply;
use crate::{
    Delivery, DeliveryRecord, MEMBERSHIP, MEMBERSHIP_EVENT, backlog, deliver, directory, frame, generations,
    preferences::PreferencesChange, sessions,
};

/// Active messages that one change repeats for a person; what is beyond them is found by paging the inbox.
const LATE_MAX: usize = 200;
/// Messages that nobody confirmed yet that are looked at when something is not withheld any more; the oldest first.
const WITHHELD_MAX: usize = 500;

/// A change of one person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Change {
    /// Whom it changes.
    pub user_id: UserId,
    /// How they are shown, if this enters them in the directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entered_as: Option<String>,
    /// Channels gained.
    pub joined: Vec<Channel>,
    /// Channels lost.
    pub left: Vec<Channel>,
    /// When the token was made whose claims it takes over; none if it takes over none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Timestamp>,
    /// Other preferences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferences: Option<PreferencesChange>,
    /// Whether they may come in from now on; none where that stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// Whether they leave the directory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

impl Change {
    /// Whether their streams end.
    pub fn shuts_out(&self) -> bool {
        self.gone || self.disabled == Some(true)
    }

    /// The same as the verdict's person takes it.
    pub fn person_changes(&self) -> impl Iterator<Item = PersonChange> + '_ {
        let joined = self.joined.iter().cloned().map(PersonChange::Joined);
        let everything = self.gone.then_some(Channel::All);
        let left = self.left.iter().cloned().chain(everything).map(PersonChange::Left);
        let preferences = self.preferences.iter().flat_map(PreferencesChange::person_changes);
        joined.chain(left).chain(preferences)
    }
}

/// The data of a record of changes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Changes {
    pub(crate) changes: Vec<Change>,
}

/// Brings changes into force with this transaction, each of another person: the log is embedded.
pub(crate) async fn change_now(tx: &Tx, changes: &[Change], now: Timestamp) -> Result<(), StoreError> {
    let with_sessions = sessions::people(tx, changes.iter().map(|change| &change.user_id)).await?;
    let (told, quiet): (Vec<&Change>, Vec<&Change>) =
        changes.iter().partition(|change| with_sessions.contains(&change.user_id));
    if let Some(first) = quiet.first() {
        let place = quiet_place(tx, first, &quiet, now).await?;
        apply(tx, &quiet, Moment { place, time: now }).await?;
    }
    for change in told {
        let audience = Audience::of(Channel::User(change.user_id.clone()));
        let place = write(tx, &change.user_id, audience, vec![change.clone()], now).await?;
        let at = Moment { place, time: now };
        apply(tx, &[change], at).await?;
        owe(tx, change, at).await?;
    }
    Ok(())
}

/// A place for changes that nobody has to be told of: later than the last change of any of these people, and not the
/// place of a delivery, of which it would be unclear which came first. An import of a million people needs one such
/// place.
async fn quiet_place(
    tx: &Tx,
    first: &Change,
    quiet: &[&Change],
    now: Timestamp,
) -> Result<Place, StoreError> {
    let head = deliver::head(tx).await?;
    let row = tx.one("SELECT COALESCE(MAX(place), 0) FROM delivery_records", params![]).await?;
    let delivered = Place(row.get(0)?);
    // Who is entered by this was never changed before.
    let listed = quiet.iter().filter(|change| change.entered_as.is_none()).map(|change| &change.user_id);
    if delivered < head && directory::newest_change(tx, listed).await? < head {
        return Ok(head);
    }
    write(tx, &first.user_id, Audience::default(), Vec::new(), now).await
}

async fn write(
    tx: &Tx,
    user: &UserId,
    audience: Audience,
    changes: Vec<Change>,
    now: Timestamp,
) -> Result<Place, StoreError> {
    let next = deliver::head(tx).await?.next();
    let event_id = event_id(&format!("{user}/{next}"))?;
    let place = deliver(tx, &record(event_id, user, audience, changes, now), None).await?;
    place.ok_or(StoreError::Suspended)
}

/// Writes the record that carries changes to their place.
pub(crate) async fn announce(
    tx: &Tx,
    event_id: EventId,
    changes: Vec<Change>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(first) = changes.first() else { return Ok(()) };
    let user = first.user_id.clone();
    let any = changes.iter().map(|change| Channel::User(change.user_id.clone())).collect();
    let audience = Audience { any, none: Vec::new() };
    deliver(tx, &record(event_id, &user, audience, changes, now), None).await?;
    Ok(())
}

/// Forgets that a change of each of these people was on its way.
pub(crate) async fn arrived(
    tx: &Tx,
    users: impl Iterator<Item = &UserId>,
    event: &EventId,
) -> Result<(), StoreError> {
    let rows: Vec<_> = users.map(|user| params![user.as_str(), event.as_str()].to_vec()).collect();
    tx.execute_all("DELETE FROM directory_changes WHERE user_id = $1 AND event_id = $2", &rows).await?;
    Ok(())
}

/// The event id of a change.
pub(crate) fn event_id(rest: &str) -> Result<EventId, StoreError> {
    format!("{MEMBERSHIP_EVENT}{rest}").parse().map_err(|_too_long| StoreError::Suspended)
}

fn record(
    event_id: EventId,
    user: &UserId,
    audience: Audience,
    changes: Vec<Change>,
    now: Timestamp,
) -> DeliveryRecord {
    let data = serde_json::value::to_raw_value(&Changes { changes }).unwrap_or_default();
    DeliveryRecord::change(event_id, MEMBERSHIP, user.as_str(), audience, now, data)
}

/// Brings the changes of a record into force that came back from the log with its place.
pub(crate) async fn arrive(
    tx: &Tx,
    record: &DeliveryRecord,
    place: Place,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(data) = &record.data else { return Ok(()) };
    let Changes { changes } = serde_json::from_str(data.get()).unwrap_or_default();
    let users: BTreeSet<&UserId> = changes.iter().map(|change| &change.user_id).collect();
    for user in &users {
        // A session that opens meanwhile sees all of the change, or none and is told of it.
        directory::hold(tx, user).await?;
    }
    let at = Moment { place, time: now };
    apply(tx, &changes.iter().collect::<Vec<_>>(), at).await?;
    let with_sessions = sessions::people(tx, users.iter().copied()).await?;
    for change in changes.iter().filter(|change| with_sessions.contains(&change.user_id)) {
        owe(tx, change, at).await?;
    }
    arrived(tx, users.into_iter(), &record.event_id).await
}

/// Repeats what a change brings to somebody who has sessions.
async fn owe(tx: &Tx, change: &Change, at: Moment) -> Result<(), StoreError> {
    if change.gone {
        return Ok(());
    }
    let user = &change.user_id;
    let mut active = Vec::new();
    let generation = generations::current(tx).await?;
    for channel in &change.joined {
        active.extend(backlog::active_on(tx, generation, channel, Place::ORIGIN, LATE_MAX).await?);
    }
    if change.preferences.as_ref().is_some_and(PreferencesChange::frees) {
        active.extend(unconfirmed(tx, generation, user, at.place).await?);
    }
    offer(tx, user, active, &sessions::of(tx, user).await?, at).await
}

/// Says once more to somebody what was withheld from them and is not any more: their quiet hours are over.
pub(crate) async fn offer_withheld(tx: &Tx, user: &UserId, now: Timestamp) -> Result<(), StoreError> {
    let sessions = sessions::of(tx, user).await?;
    if sessions.is_empty() {
        return Ok(());
    }
    let place = deliver::head(tx).await?;
    let active = unconfirmed(tx, generations::current(tx).await?, user, place).await?;
    offer(tx, user, active, &sessions, Moment { place: place.next(), time: now }).await
}

async fn unconfirmed(
    tx: &Tx,
    generation: core::GenerationId,
    user: &UserId,
    upto: Place,
) -> Result<Vec<Delivery>, StoreError> {
    let person = directory::history(tx, user).await?;
    let (mut active, mut looked) = (Vec::new(), Place::ORIGIN);
    while looked < upto && active.len() < WITHHELD_MAX {
        let most = WITHHELD_MAX - active.len();
        let look = backlog::unconfirmed(tx, generation, &person, (looked, upto), most).await?;
        active.extend(look.found);
        looked = look.upto;
    }
    Ok(active)
}

/// Repeats, late, what of these active messages the person is owed by now.
async fn offer(
    tx: &Tx,
    user: &UserId,
    active: Vec<Delivery>,
    sessions: &[Session],
    now: Moment,
) -> Result<(), StoreError> {
    if active.is_empty() {
        return Ok(());
    }
    let person = directory::history(tx, user).await?;
    let own = Channel::User(user.clone());
    let generation = generations::current(tx).await?;
    let late = |said: &Delivery| said.facts().late;
    let mut repeated = backlog::active_on(tx, generation, &own, Place::ORIGIN, LATE_MAX).await?;
    repeated.retain(late);
    for said in active {
        if late(&said) {
            continue;
        }
        let first = said.facts().first;
        let newest_late = repeated.iter().rfind(|late| late.facts().first == first);
        let known =
            Said { original: said.facts(), newest_late: newest_late.map(Delivery::facts), on_its_way: false };
        if late::owed(&person, sessions, known, now).is_some() && sets_out(tx, &person, &said).await? {
            repeat(tx, &person, &said, now.time).await?;
        }
    }
    Ok(())
}

/// Notes that an event is on its way to a person once more. False: it is already.
async fn sets_out(tx: &Tx, person: &core::Person, said: &Delivery) -> Result<bool, StoreError> {
    if tx.appends() == Appends::Log {
        return Ok(true);
    }
    let noted = tx
        .execute(
            "INSERT INTO late_on_its_way (user_id, event_id) VALUES ($1, $2)
             ON CONFLICT (user_id, event_id) DO NOTHING",
            params![person.id().as_str(), said.facts().event_id.as_str()],
        )
        .await?;
    Ok(noted == 1)
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
        trace_parent: None,
        origin: said.origin().cloned(),
        data: frame::data(said.json()),
    };
    deliver(tx, &record, None).await?;
    Ok(())
}
