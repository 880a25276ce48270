//! Who is there: each gateway notes who came to it and who left it, and settles who is gone for good.

use std::{sync::Arc, time::Duration};

use tidings::{Lines, Watcher};
use tidings_delivery::seen::{self, Seen};
use tidings_gateway::Hub;
use tidings_model::{Clock, UserId};
use tidings_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::presence::Whereabouts;

/// The pause between two looks: who comes and goes in between is told once.
const LOOK: Duration = Duration::from_millis(500);
/// People whom one transaction notes.
const SLICE: usize = 100;

/// What keeps the roster of the people who are there.
pub(crate) struct Roster {
    pub(crate) store: Store,
    /// The streams of this process; none in one that has none.
    pub(crate) hub: Option<Arc<Hub>>,
    /// Those of all processes.
    pub(crate) whereabouts: Whereabouts,
    /// Who is told of who comes and who is gone.
    pub(crate) watchers: Vec<Arc<dyn Watcher>>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Roster {
    /// Keeps it until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        // Who was there when the only process ended may be gone.
        let mut begun = !matches!(self.whereabouts, Whereabouts::Here(..));
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            if let Err(cause) = self.look(&mut begun).await {
                tracing::debug!(%cause, "who is there could not be noted; it is tried again");
            }
        }
    }

    async fn look(&self, begun: &mut bool) -> Result<(), StoreError> {
        if !*begun {
            let now = self.clock.now();
            self.store.transact(move |tx| async move { seen::all_went(&tx, now).await }).await?;
            *begun = true;
        }
        if let Some(hub) = &self.hub {
            self.note(hub).await?;
        }
        self.settle().await
    }

    /// Notes who came here and who left.
    async fn note(&self, hub: &Hub) -> Result<(), StoreError> {
        let people: Vec<UserId> = hub.take_came_or_went().into_iter().collect();
        for (at, slice) in people.chunks(SLICE).enumerate() {
            let now = self.clock.now();
            let moved: Vec<(UserId, bool)> =
                slice.iter().map(|user| (user.clone(), !hub.of(user).is_empty())).collect();
            let noted = self.store.transact(move |tx| {
                let moved = moved.clone();
                async move {
                    let mut news = Vec::new();
                    for (user_id, is_here) in moved {
                        if !is_here {
                            seen::went(&tx, &user_id, now).await?;
                        } else if seen::came(&tx, &user_id).await? {
                            news.push(Seen { user_id, last_seen_at: None });
                        }
                    }
                    Ok::<_, StoreError>(news)
                }
            });
            match noted.await {
                Ok(news) => self.tell(&news).await,
                Err(cause) => {
                    hub.put_came_or_went(people.into_iter().skip(at * SLICE));
                    return Err(cause);
                }
            }
        }
        Ok(())
    }

    /// Settles who has not come back.
    async fn settle(&self) -> Result<(), StoreError> {
        loop {
            let now = self.clock.now();
            let mut people =
                self.store.read(move |tx| async move { seen::doubtful(&tx, now, SLICE).await }).await?;
            if people.is_empty() {
                return Ok(());
            }
            // In one order, whoever else does so.
            people.sort_unstable();
            let lines = self.whereabouts.clone();
            let settled = self.store.transact(move |tx| {
                let (people, lines) = (people.clone(), lines.clone());
                async move {
                    let mut news = Vec::new();
                    for user in people {
                        let Some(gone_at) = seen::in_doubt(&tx, &user, now).await? else { continue };
                        let has_stream = lines.is_open(&tx, &user).await?;
                        news.extend(seen::settle(&tx, &user, gone_at, has_stream).await?);
                    }
                    Ok::<_, StoreError>(news)
                }
            });
            self.tell(&settled.await?).await;
        }
    }

    async fn tell(&self, news: &[Seen]) {
        if news.is_empty() {
            return;
        }
        for watcher in &self.watchers {
            watcher.changed(news).await;
        }
    }
}
