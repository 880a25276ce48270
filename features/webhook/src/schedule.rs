//! The sweep: finds, so many minutes after something was said, who has not confirmed it.
//!
//! When something was said is when it came to the delivery log, whatever time its event names. What was found and how
//! far was looked are written together, so that a process that ends anywhere leaves nobody out, and no two processes
//! find the same person.

use std::{sync::Arc, time::Duration};

use tidings::{
    Due, Schedule,
    delivery::{
        head,
        unconfirmed::{self, Looked},
    },
    model::{Ids, Timestamp, planted},
    store::Tx,
};

use crate::{WEEK, events::Unheard, store};

/// How many notes of how far the log is there are within the time of waiting: they make a call later by one part in so
/// many, at most. What was said after the last note of a process that ended is noted by the next one, at its start.
const NOTES: u32 = 120;

/// Finds who has not confirmed what was said.
pub(crate) struct Sweep {
    pub(crate) ids: Arc<Ids>,
    /// How long after it was said.
    pub(crate) after: Duration,
}

impl Schedule for Sweep {
    fn name(&self) -> &'static str {
        "webhook-sweep"
    }

    fn run<'a>(&'a self, tx: &'a Tx, now: Timestamp) -> Due<'a> {
        Box::pin(async move {
            tx.lock("webhook", "").await?;
            let head = head(tx).await?;
            let Some(looked) = store::looked(tx).await? else {
                // What was said before there was a webhook calls nobody.
                store::keep(tx, &Looked { place: head, after: None }).await?;
                return Ok(None);
            };
            if head > looked.place {
                store::note(tx, head, now, self.after / NOTES).await?;
            }
            let Some(upto) = store::said_by(tx, now.minus(self.after)).await? else { return Ok(None) };
            if upto <= looked.place {
                return Ok(None);
            }
            let oldest = now.minus(self.after + WEEK);
            let slice = unconfirmed::look(tx, &looked, upto, oldest, now).await?;
            let unheard =
                |(user_id, place)| Unheard { user_id, place, found_at: now }.event(self.ids.event());
            let found = slice.found.into_iter().filter(|_| !planted::one_in("webhook_passed_over", 20));
            for event in found.map(unheard) {
                tx.put_event(&event).await?;
            }
            store::keep(tx, &slice.looked).await?;
            Ok((slice.looked.place < upto).then_some(now))
        })
    }
}
