//! Counts: what the server says that a broadcast adds up to, while the run goes on and at its end.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use tokio::sync::watch;

use crate::{
    field::{Acknowledged, Field},
    history::Line,
    people::OPERATOR,
};

/// Between two looks at some broadcast's counts.
const LOOK: Duration = Duration::from_millis(50);

/// What a broadcast adds up to, as the API says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Stats {
    /// People it is for.
    pub targeted: u64,
    /// People who confirmed it.
    pub delivered: u64,
    /// People who read it.
    pub read: u64,
    /// People who did not confirm it yet.
    pub pending: u64,
}

/// What a broadcast adds up to now.
pub async fn of(field: &Field, id: &str) -> Option<Stats> {
    stats(field, 0, id).await
}

async fn stats(field: &Field, node: usize, id: &str) -> Option<Stats> {
    let path = format!("/api/v1/broadcasts/{id}/stats");
    let answer = field.operator(node).get(&path).await.ok()?;
    answer.status.is_success().then(|| answer.json().ok()).flatten()
}

/// Notes what the sender is told about broadcasts until `stop`: a status never goes back.
pub(crate) async fn watch(field: Arc<Field>, mut stop: watch::Receiver<bool>, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut watched: Vec<Acknowledged> = Vec::new();
    loop {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        if watched.len() < 20 {
            watched.extend(field.sample(1, &mut random));
        }
        let Some(broadcast) = random.choice(&watched) else { continue };
        let Some(counts) = stats(&field, random.usize(..64), &broadcast.id).await else { continue };
        let status = match counts {
            Stats { read: 1.., .. } => "read",
            Stats { delivered: 1.., .. } => "delivered",
            _none_yet => "sent",
        };
        let (m, at) = (broadcast.m.clone(), OPERATOR.to_owned());
        field.history.note(&Line::Status { m, s: status.to_owned(), at });
    }
}

/// Compares the counts of some broadcasts with what is known of their people: everybody confirmed. Answers what
/// is wrong.
pub async fn wrong_counts(field: &Field, sample: usize) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(field.seed.wrapping_add(3));
    let mut wrong = Vec::new();
    for broadcast in field.sample(sample, &mut random) {
        let targeted = broadcast.target.targeted(&field.people);
        let delivered = broadcast.target.to(&field.people).len() as u64;
        let expected = Stats { targeted, delivered, read: 0, pending: targeted - delivered };
        match stats(field, 0, &broadcast.id).await {
            Some(found) if found == expected => {}
            found => wrong.push(format!("{} has {found:?}, expected {expected:?}", broadcast.m)),
        }
    }
    wrong
}
