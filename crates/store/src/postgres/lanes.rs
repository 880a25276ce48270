//! Two lanes and the readers: each with connections of its own, so that bulk never stands before people.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Lane, StoreError, StoreOptions};

/// Bulk transactions that may wait; the callers of more wait for a place.
const BULK_QUEUE: usize = 64;

#[derive(Debug)]
pub(super) struct Lanes {
    people: Arc<Queue>,
    bulk: Arc<Queue>,
    readers: Arc<Queue>,
    bulk_places: Arc<Semaphore>,
    queue: usize,
}

/// One lane: so many at work, so many waiting.
#[derive(Debug)]
struct Queue {
    at_work: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Queue {
    fn new(connections: usize) -> Arc<Self> {
        Arc::new(Self { at_work: Arc::new(Semaphore::new(connections)), waiting: AtomicUsize::new(0) })
    }

    /// A place in the queue, unless `limit` wait already.
    fn place(self: &Arc<Self>, limit: usize) -> Result<Place, StoreError> {
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        // Given back when the place is dropped.
        let place = Place { lane: Arc::clone(self), bulk: None };
        // One that finds a free connection does not wait, however short the queue.
        if before >= limit.saturating_add(self.at_work.available_permits()) {
            return Err(StoreError::Busy { waiting: before });
        }
        Ok(place)
    }
}

/// One of those who wait; counted until it enters or is dropped.
#[derive(Debug)]
pub(super) struct Place {
    lane: Arc<Queue>,
    bulk: Option<OwnedSemaphorePermit>,
}

impl Place {
    /// Waits for a connection's turn.
    pub(super) async fn enter(self) -> Result<OwnedSemaphorePermit, StoreError> {
        let turn = Arc::clone(&self.lane.at_work).acquire_owned().await;
        turn.map_err(|_closed| StoreError::Closed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lane.waiting.fetch_sub(1, Ordering::Relaxed);
        drop(self.bulk.take());
    }
}

impl Lanes {
    pub(super) fn new(options: &StoreOptions) -> Self {
        Self {
            people: Queue::new(options.writers.max(1)),
            bulk: Queue::new((options.writers / 4).max(1)),
            readers: Queue::new(options.readers.max(1)),
            bulk_places: Arc::new(Semaphore::new(BULK_QUEUE)),
            queue: options.queue,
        }
    }

    /// A place in a lane. A full people lane refuses; a full bulk lane lets its caller wait.
    pub(super) async fn place(&self, lane: Lane) -> Result<Place, StoreError> {
        match lane {
            Lane::People => self.people.place(self.queue),
            Lane::Bulk => {
                let bulk = Arc::clone(&self.bulk_places).acquire_owned().await;
                let bulk = bulk.map_err(|_closed| StoreError::Closed)?;
                let mut place = self.bulk.place(usize::MAX)?;
                place.bulk = Some(bulk);
                Ok(place)
            }
        }
    }

    /// A place before the readers.
    pub(super) fn read_place(&self) -> Result<Place, StoreError> {
        self.readers.place(self.queue)
    }

    pub(super) fn waiting(&self) -> usize {
        self.people.waiting.load(Ordering::Relaxed) + self.bulk.waiting.load(Ordering::Relaxed)
    }
}
