//! What a broadcast can say of itself when somebody asks why a person has it or not.

use tidings::{
    Account, Telling,
    delivery::{
        End,
        why::{Meant, Told},
    },
    model::{BroadcastId, UserId},
    store::{StoreError, Tx},
};

use crate::{
    audience,
    failures::Failures,
    model::{Broadcast, Status},
    store,
};

/// Speaks for broadcasts.
pub(crate) struct Broadcasts;

impl Account for Broadcasts {
    fn of<'a>(&'a self, tx: &'a Tx, message: &'a str, user: &'a UserId) -> Telling<'a> {
        Box::pin(async move {
            let Ok(id) = message.parse::<BroadcastId>() else { return Ok(None) };
            let Some(broadcast) = store::find(tx, id).await? else { return Ok(None) };
            let failures = Failures::of(tx, &broadcast).await?;
            told(tx, &broadcast, &failures, user).await.map(Some)
        })
    }
}

/// What there is to say of a broadcast and a person.
pub(crate) async fn told(
    tx: &Tx,
    broadcast: &Broadcast,
    failures: &Failures,
    user: &UserId,
) -> Result<Told, StoreError> {
    let meant = match broadcast.target.audience() {
        Some(audience) => Meant::Channels(audience),
        None => Meant::Named(audience::names(tx, &broadcast.target, user).await?),
    };
    let end = match broadcast.status {
        Status::Cancelled => Some(End::Cancelled),
        Status::Expired => Some(End::Expired),
        Status::Scheduled | Status::Active | Status::Failed => None,
    };
    Ok(Told {
        meant,
        failed: failures.includes(tx, broadcast, user).await?,
        fire_and_forget: broadcast.fire_and_forget,
        scheduled_at: broadcast.scheduled_at.filter(|_| broadcast.status == Status::Scheduled),
        ended: end.zip(broadcast.ended_at),
    })
}
