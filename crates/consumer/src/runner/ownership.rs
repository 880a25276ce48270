//! Which partitions this process owns: taken over when they are assigned, followed where progress was moved, left
//! alone when another owner has them.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use tidings_log::TopicPartition;
use tidings_store::{Store, StoreError};
use tokio::time::Instant;

use super::{ConsumerError, Owned, Running};
use crate::{
    Event, Handler,
    line::Line,
    numbers::Numbers,
    parked,
    partition::Partition,
    progress::{self, Claim, Progress},
    work::AWAY_PAUSE,
};

impl Running {
    /// Takes over what is new and forgets what is somebody else's.
    pub(super) async fn assigned(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumerError> {
        let (group, observer) = (Arc::clone(&self.consumer.group), Arc::clone(&self.context.observer));
        self.owned.retain(|partition, _| {
            let stays = partitions.contains(partition);
            if !stays {
                observer.happened(&group, &Event::Revoked { partition: partition.clone() });
            }
            stays
        });
        self.copies.retain(partitions);
        for at in partitions {
            if self.owned.contains_key(at) {
                continue;
            }
            let log = &self.consumer.log;
            let reads = |handler: &&Arc<dyn Handler>| {
                log.topic(handler.topic()).is_some_and(|topic| topic.name == at.topic)
            };
            let Some(handler) = self.consumer.handlers.iter().find(reads).cloned() else { continue };
            let (group, wanted) = (Arc::clone(&group), at.clone());
            let owner = self.consumer.options.instance.clone();
            let taken = self
                .insist(move |store| {
                    let (group, wanted, owner) = (Arc::clone(&group), wanted.clone(), owner.clone());
                    Box::pin(async move {
                        store
                            .transact(move |tx| async move {
                                progress::take_over(&tx, &group, &wanted, owner.as_deref()).await
                            })
                            .await
                    })
                })
                .await?;
            let Some(progress) = taken else { return Ok(()) };
            self.begin(at, handler, progress, false).await?;
        }
        Ok(())
    }

    /// Goes where progress is: it was reset, or another owner has taken over. What is missing next of the relay's
    /// numbers may be given up.
    pub(super) async fn follow(&mut self, at: &TopicPartition, gives_up: bool) -> Result<(), ConsumerError> {
        let Some(Owned { partition, handler, .. }) = self.owned.remove(at) else { return Ok(()) };
        let claim = partition.claim;
        let followed = self
            .insist(move |store| {
                let claim = claim.clone();
                Box::pin(async move {
                    store.transact(move |tx| async move { progress::follow(&tx, &claim).await }).await
                })
            })
            .await?;
        match followed {
            Some(Some(progress)) => self.begin(at, handler, progress, gives_up).await,
            Some(None) => {
                self.member.pause(at);
                let revoked = Event::Revoked { partition: at.clone() };
                self.context.observer.happened(&self.consumer.group, &revoked);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Reads a partition from its progress on, with what is parked of it.
    async fn begin(
        &mut self,
        at: &TopicPartition,
        handler: Arc<dyn Handler>,
        progress: Progress,
        gives_up: bool,
    ) -> Result<(), ConsumerError> {
        let group = Arc::clone(&self.consumer.group);
        let mut heads = Vec::new();
        loop {
            let (group, wanted, now) = (Arc::clone(&group), at.clone(), self.consumer.clock.now());
            let after = heads.last().map_or_else(Line::first, |head: &parked::Head| head.line.clone());
            let page = self
                .insist(move |store| {
                    let (group, wanted, after) = (Arc::clone(&group), wanted.clone(), after.clone());
                    Box::pin(async move {
                        let read =
                            move |tx| async move { parked::heads(&tx, &group, &wanted, &after, now).await };
                        store.read(read).await
                    })
                })
                .await?;
            let Some(page) = page else { return Ok(()) };
            let more = parked::is_full_page(&page);
            heads.extend(page);
            if !more {
                break;
            }
        }
        let Progress { epoch, window, last_seq, seq_within, given } = progress;
        let next_offset = window.next();
        let numbers = Numbers::from(next_offset, last_seq, seq_within);
        let numbers = Arc::new(Mutex::new(if gives_up { numbers.giving_up(given) } else { numbers }));
        let claim = Claim { group: Arc::clone(&group), at: at.clone(), epoch, numbers };
        let (batch, limits) = (handler.batch(), &self.consumer.options.limits);
        let partition = Partition::new(claim, window, heads, batch, limits, Instant::now());
        self.member.seek(at, next_offset);
        // It was left alone if another owner had taken it over meanwhile.
        self.member.resume(at);
        self.owned.insert(at.clone(), Owned { partition, handler, unread: false, stalled: false });
        let assigned = Event::Assigned { partition: at.clone(), epoch, next_offset };
        self.context.observer.happened(&group, &assigned);
        Ok(())
    }

    /// Asks the store until it answers; none when the consumer was stopped meanwhile.
    async fn insist<T>(
        &mut self,
        ask: impl Fn(Store) -> BoxFuture<'static, Result<T, StoreError>>,
    ) -> Result<Option<T>, ConsumerError> {
        loop {
            match ask(self.consumer.store.clone()).await {
                Ok(answer) => return Ok(Some(answer)),
                Err(cause) if cause.is_unavailable() || matches!(cause, StoreError::ReadLimit { .. }) => {
                    tokio::select! {
                        () = self.stop.cancelled() => return Ok(None),
                        () = tokio::time::sleep(AWAY_PAUSE) => {}
                    }
                }
                Err(source) => {
                    return Err(ConsumerError::Progress { group: Arc::clone(&self.consumer.group), source });
                }
            }
        }
    }
}
