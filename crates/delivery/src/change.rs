//! Changing the directory: what somebody wishes becomes a change, in force from a place of the delivery log.
//!
//! Where the log is embedded, that is the transaction itself. Where a relay fills the log, the change goes through
//! the log, and who asked waits until it is in force; one change of a person is on its way at a time, so that the
//! next is worked out from what this one makes of them.

mod plan;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, future::Future, time::Duration};

use tidings_api::{Caller, Code, Problem};
use tidings_model::{Channel, EventId, Timestamp, UserId};
use tidings_store::{Appends, Lane, Store, StoreError, Tx, params};
use tokio::time::{Instant, timeout_at};

use self::plan::Plans;
use crate::{
    directory::{self, DirectoryUser, Listing},
    membership,
    preferences::Preferences,
    projection::PROJECTED,
};

/// How long a change may take to come into force before who asked is told to come back.
const LIMIT: Duration = Duration::from_secs(8);
/// The longest pause between two looks, for a wake that was missed.
const LOOK: Duration = Duration::from_millis(250);

/// What somebody is to be; what is absent stays as it is.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Who.
    pub user_id: UserId,
    /// How they are shown; their id where nobody ever said it.
    pub display_name: Option<String>,
    /// Exactly these roles.
    pub roles: Option<Vec<Channel>>,
    /// Exactly these groups.
    pub groups: Option<Vec<Channel>>,
    /// Exactly these app channels.
    pub apps: Option<Vec<Channel>>,
    /// This channel too.
    pub join: Option<Channel>,
    /// Not this channel.
    pub leave: Option<Channel>,
    /// What they do not want to hear of, and when.
    pub preferences: Option<Preferences>,
    /// Whether they may come in no more.
    pub disabled: Option<bool>,
    /// Whether they are to be out of the directory.
    pub gone: bool,
    /// When the token was made whose claims these are; a wish of an older one than was followed is ignored.
    pub claimed_at: Option<Timestamp>,
}

impl Wish {
    /// Somebody is to be in the directory, and nothing else.
    pub fn of(user_id: UserId) -> Self {
        Self {
            user_id,
            display_name: None,
            roles: None,
            groups: None,
            apps: None,
            join: None,
            leave: None,
            preferences: None,
            disabled: None,
            gone: false,
            claimed_at: None,
        }
    }

    /// Somebody is to be exactly this.
    pub fn exactly(user: DirectoryUser) -> Self {
        let of = |family: &str| {
            Some(user.channels.iter().filter(|channel| channel.family() == family).cloned().collect())
        };
        let (roles, groups, apps) = (of("role"), of("group"), of("app"));
        Self { display_name: Some(user.display_name), roles, groups, apps, ..Self::of(user.user_id) }
    }

    /// A caller is to have what their token claims.
    pub fn of_caller(caller: &Caller) -> Self {
        Self {
            roles: caller.roles.clone(),
            groups: caller.groups.clone(),
            apps: caller.apps.clone(),
            claimed_at: Some(caller.issued_at),
            ..Self::of(caller.user_id.clone())
        }
    }

    /// The channels that follow from it.
    pub(crate) fn channels(&self, had: &[Channel]) -> Vec<Channel> {
        let mut channels = Vec::new();
        if self.gone {
            return channels;
        }
        let wishes = [("role", &self.roles), ("group", &self.groups), ("app", &self.apps)];
        let replaced = |family: &str| wishes.iter().any(|(of, wished)| *of == family && wished.is_some());
        // A family that nobody speaks of stays: nobody stops following by being given another role.
        channels.extend(had.iter().filter(|had| !replaced(had.family())).cloned());
        channels.extend(wishes.iter().filter_map(|(_, wished)| wished.as_deref()).flatten().cloned());
        channels.extend(self.join.clone());
        channels.retain(|channel| self.leave.as_ref() != Some(channel));
        channels.sort_unstable();
        channels.dedup();
        channels
    }
}

/// Why a change is not in force.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The log or its projection is away; the change may come into force later.
    #[error("the change did not come into force in time")]
    Late,
    /// It could not be written.
    #[error("could not change the directory")]
    Store(#[from] StoreError),
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Late => Self::new(
                Code::Unavailable,
                "the change was written and is not in force yet: the log or the server's projection is behind; ask again",
            )
            .retry_after(1),
            ChangeError::Store(source) => source.into(),
        }
    }
}

/// What a transaction made of wishes.
#[derive(Debug)]
pub struct Written {
    /// What the people are when it is in force.
    pub users: Vec<DirectoryUser>,
    /// The event in which it is on its way, and one of these people; none where it is in force already.
    on_its_way: Option<(UserId, EventId)>,
}

/// Why [`put`] undoes its transaction.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// Somebody has another change on its way; the same succeeds when that is in force.
    #[error("another change of one of these people is on its way")]
    Behind,
    /// It could not be written.
    #[error("could not change the directory")]
    Store(#[from] StoreError),
}

/// Why a transaction with wishes was undone.
enum Undone<E> {
    Behind,
    Other(E),
}

impl<E: From<StoreError>> From<StoreError> for Undone<E> {
    fn from(source: StoreError) -> Self {
        Self::Other(source.into())
    }
}

/// Changes people, each named once, in one transaction; answers what they are when it is in force.
pub async fn change(
    store: &Store,
    lane: Lane,
    wishes: Vec<Wish>,
    now: Timestamp,
) -> Result<Vec<DirectoryUser>, ChangeError> {
    let ((), users) =
        change_with(store, lane, now, |_tx| async { Ok::<_, ChangeError>(((), wishes)) }).await?;
    Ok(users)
}

/// Runs a transaction that says, besides what it writes itself, what people are to be; answers when that is in
/// force, with what they are. `body` may run more than once; what it wrote before is undone then.
pub async fn change_with<T, E, F, Fut>(
    store: &Store,
    lane: Lane,
    now: Timestamp,
    body: F,
) -> Result<(T, Vec<DirectoryUser>), E>
where
    F: FnOnce(Tx) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<(T, Vec<Wish>), E>> + Send,
    T: Send + 'static,
    E: From<StoreError> + From<ChangeError> + Send + 'static,
{
    let limit = Instant::now() + LIMIT;
    let mut wakes = store.wakes(PROJECTED);
    loop {
        wakes.mark_unchanged();
        let body = body.clone();
        let written = store.transact_in(lane, move |tx| async move {
            let (value, wishes) = body(tx.clone()).await.map_err(Undone::Other)?;
            match put(&tx, &wishes, now).await {
                Ok(written) => Ok((value, written)),
                Err(PutError::Behind) => Err(Undone::Behind),
                Err(PutError::Store(source)) => Err(source.into()),
            }
        });
        match written.await {
            Ok((value, Written { users, on_its_way: event })) => {
                if let Some((user, event)) = event {
                    while on_its_way(store, &user, &event).await? {
                        wait(&mut wakes, limit).await?;
                    }
                }
                return Ok((value, users));
            }
            Err(Undone::Behind) => wait(&mut wakes, limit).await?,
            Err(Undone::Other(source)) => return Err(source),
        }
    }
}

/// Enters a caller in the directory, or brings what their token claims into force, unless that changes nothing.
pub async fn enter(store: &Store, caller: &Caller, now: Timestamp) -> Result<(), ChangeError> {
    let asked = caller.clone();
    if !store.read(move |tx| async move { directory::knows(&tx, &asked).await }).await? {
        change(store, Lane::People, vec![Wish::of_caller(caller)], now).await?;
    }
    Ok(())
}

async fn wait(wakes: &mut tokio::sync::watch::Receiver<u64>, limit: Instant) -> Result<(), ChangeError> {
    if Instant::now() >= limit {
        return Err(ChangeError::Late);
    }
    // Whatever woke us, the caller looks again.
    drop(timeout_at(limit.min(Instant::now() + LOOK), wakes.changed()).await);
    Ok(())
}

async fn on_its_way(store: &Store, user: &UserId, event: &EventId) -> Result<bool, StoreError> {
    let (user, event) = (user.clone(), event.clone());
    store
        .read(move |tx| async move {
            let row = tx
                .optional(
                    "SELECT 1 FROM directory_changes WHERE user_id = $1 AND event_id = $2",
                    params![user.as_str(), event.as_str()],
                )
                .await?;
            Ok(row.is_some())
        })
        .await
}

/// Writes, with this transaction, what people are to be, each named once. In force where the log is embedded when it
/// commits, elsewhere when it came back from the log; nobody waits for that here, as a handler must not.
pub async fn put(tx: &Tx, wishes: &[Wish], now: Timestamp) -> Result<Written, PutError> {
    let in_force = |users| Written { users, on_its_way: None };
    let Some(first) = wishes.first() else { return Ok(in_force(Vec::new())) };
    let event = membership::event_id(&format!("{}/{}", first.user_id, now.millis()))?;
    let through_log = tx.appends() == Appends::Outbox;
    let people = || wishes.iter().map(|wish| &wish.user_id);
    // Before anything of the people is read, so that what is read stays as it is until the change is in force.
    if through_log && !set_out(tx, people(), &event, now).await? {
        return Err(PutError::Behind);
    }
    let listing = Listing::of(tx, people()).await?;
    let mut plans = Plans::default();
    for wish in wishes {
        plans.add(tx, wish, &listing).await?;
    }
    plans.write_at_once(tx).await?;
    let Plans { users, changes, same, .. } = plans;
    if !through_log {
        membership::change_now(tx, &changes, now).await?;
        return Ok(in_force(users));
    }
    membership::arrived(tx, same.iter(), &event).await?;
    let Some(first) = changes.first() else { return Ok(in_force(users)) };
    let user = first.user_id.clone();
    membership::announce(tx, event.clone(), changes, now).await?;
    Ok(Written { users, on_its_way: Some((user, event)) })
}

/// Notes that a change of each of these people is on its way. False: another one is, of one of them.
async fn set_out(
    tx: &Tx,
    users: impl Iterator<Item = &UserId>,
    event: &EventId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    // In the order of their ids: of two transactions that name the same people, one waits for the other.
    let users: BTreeSet<&UserId> = users.collect();
    let rows: Vec<_> =
        users.iter().map(|user| params![user.as_str(), event.as_str(), now].to_vec()).collect();
    let noted = tx
        .execute_all(
            "INSERT INTO directory_changes (user_id, event_id, created_at) VALUES ($1, $2, $3)
             ON CONFLICT (user_id) DO NOTHING",
            &rows,
        )
        .await?;
    Ok(noted.iter().all(|noted| *noted == 1))
}
