//! Who got a broadcast: one line for each person who is meant, or was and received it.

use serde::{Deserialize, Serialize};
use tidings::{
    delivery::{core::Moment, generations, head, receipts, trace, why},
    model::{Timestamp, UserId},
    store::{StoreError, Tx},
};
use utoipa::ToSchema;

use crate::{
    account, audience,
    failures::Failures,
    model::{Broadcast, Status},
    store,
};

/// The most people that one read looks at, so that it does not last.
const LOOKED: usize = 2_000;

/// What became of a broadcast for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeliveryState {
    /// None of their devices confirmed it yet.
    Pending,
    /// A device confirmed it.
    Delivered,
    /// They read it.
    Read,
    /// It lies in a dead letter.
    Failed,
    /// Its time was over before a device confirmed it.
    Expired,
    /// It was taken back before a device confirmed it.
    Cancelled,
}

impl DeliveryState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A person, and what became of a broadcast for them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Delivery {
    #[schema(value_type = String, example = "alice")]
    pub(crate) user_id: UserId,
    pub(crate) state: DeliveryState,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) delivered_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) read_at: Option<Timestamp>,
}

/// Deliveries by person, after one of them: at most `limit`, and after whom to go on. None behind the last person.
pub(crate) async fn page(
    tx: &Tx,
    broadcast: &Broadcast,
    wanted: Option<DeliveryState>,
    mut after: Option<UserId>,
    limit: usize,
) -> Result<(Vec<Delivery>, Option<UserId>), StoreError> {
    let mut found = Vec::new();
    if broadcast.fire_and_forget {
        // Nobody confirms it, so nobody is known to have it or not.
        return Ok((found, None));
    }
    let failures = Failures::of(tx, broadcast).await?;
    let mut looked = 0;
    while looked < LOOKED {
        let people = match store::reach(broadcast) {
            Some(reach) => reach.page(tx, after.as_ref(), limit).await?,
            None => audience::named(tx, &broadcast.target, after.as_ref(), limit).await?,
        };
        for user in &people {
            looked += 1;
            let delivery = of(tx, broadcast, &failures, user).await?;
            if wanted.is_none_or(|wanted| wanted == delivery.state) {
                found.push(delivery);
            }
            if found.len() == limit {
                return Ok((found, Some(user.clone())));
            }
        }
        if people.len() < limit {
            return Ok((found, None));
        }
        after = people.into_iter().next_back();
    }
    Ok((found, after))
}

/// A delivery, and why the person does not have it.
#[derive(Clone, Debug)]
pub(crate) struct Reasoned {
    pub(crate) delivery: Delivery,
    /// As a word; none for who has it.
    pub(crate) reason: Option<&'static str>,
}

/// Adds why people do not have it: the words of `tidings why`.
pub(crate) async fn reasons(
    tx: &Tx,
    broadcast: &Broadcast,
    page: Vec<Delivery>,
    now: Timestamp,
) -> Result<Vec<Reasoned>, StoreError> {
    let generation = generations::current(tx).await?;
    let at = Moment { place: head(tx).await?, time: now };
    let failures = Failures::of(tx, broadcast).await?;
    let mut reasoned = Vec::with_capacity(page.len());
    for delivery in page {
        let mut reason = None;
        if delivery.delivered_at.is_none() {
            let trace = trace::of(tx, generation, &broadcast.id.to_string(), &delivery.user_id).await?;
            let told = account::told(tx, broadcast, &failures, &delivery.user_id).await?;
            reason = why::standing(&trace, Some(&told), None, at).reason;
        }
        reasoned.push(Reasoned { delivery, reason });
    }
    Ok(reasoned)
}

async fn of(
    tx: &Tx,
    broadcast: &Broadcast,
    failures: &Failures,
    user: &UserId,
) -> Result<Delivery, StoreError> {
    let receipt = receipts::of(tx, user, &broadcast.id.to_string()).await?;
    let state = if receipt.read_at.is_some() {
        DeliveryState::Read
    } else if receipt.delivered_at.is_some() {
        DeliveryState::Delivered
    } else if failures.includes(tx, broadcast, user).await? {
        DeliveryState::Failed
    } else {
        match broadcast.status {
            Status::Expired => DeliveryState::Expired,
            Status::Cancelled => DeliveryState::Cancelled,
            Status::Scheduled | Status::Active | Status::Failed => DeliveryState::Pending,
        }
    };
    Ok(Delivery {
        user_id: user.clone(),
        state,
        delivered_at: receipt.delivered_at,
        read_at: receipt.read_at,
    })
}
