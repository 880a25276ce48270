//! The writer's two lanes: what people wait for goes before bulk, and bulk is never starved.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::job::Job;
use crate::{Lane, StoreError};

/// Bulk transactions that may wait; the callers of more wait for a place.
const BULK_QUEUE: usize = 64;

/// What the writer does next.
pub(super) enum Next {
    /// A transaction.
    Job(Box<dyn Job>),
    /// The last part of a checkpoint, between two turns.
    Checkpoint,
    /// Nothing came for as long as was waited.
    Nothing,
    /// Nothing more will come.
    Closed,
}

#[derive(Debug)]
pub(super) struct Lanes {
    queues: Mutex<Queues>,
    wake: Condvar,
    bulk_places: Arc<Semaphore>,
    people_limit: usize,
}

#[derive(Default)]
struct Queues {
    people: VecDeque<Box<dyn Job>>,
    // Each with its place, given back when the writer takes the job.
    bulk: VecDeque<(Box<dyn Job>, OwnedSemaphorePermit)>,
    checkpoint: bool,
    closed: bool,
}

impl std::fmt::Debug for Queues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} people, {} bulk", self.people.len(), self.bulk.len())
    }
}

impl Lanes {
    pub(super) fn new(people_limit: usize) -> Self {
        Self {
            queues: Mutex::default(),
            wake: Condvar::new(),
            bulk_places: Arc::new(Semaphore::new(BULK_QUEUE)),
            people_limit,
        }
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job into its lane. A full people lane refuses; a full bulk lane lets its caller wait.
    pub(super) async fn submit(&self, lane: Lane, job: Box<dyn Job>) -> Result<(), StoreError> {
        let place = match lane {
            Lane::People => None,
            Lane::Bulk => {
                let place = Arc::clone(&self.bulk_places).acquire_owned().await;
                Some(place.map_err(|_closed| StoreError::Closed)?)
            }
        };
        let mut queues = self.queues();
        if queues.closed {
            return Err(StoreError::Closed);
        }
        match place {
            Some(place) => queues.bulk.push_back((job, place)),
            None if queues.people.len() >= self.people_limit => {
                return Err(StoreError::Busy { waiting: queues.people.len() });
            }
            None => queues.people.push_back(job),
        }
        drop(queues);
        self.wake.notify_one();
        Ok(())
    }

    /// The next thing to do, waited for at most `limit`; `bulk_first` when bulk was passed over for too long.
    pub(super) fn next(&self, limit: Option<Duration>, bulk_first: bool) -> Next {
        let mut queues = self.queues();
        loop {
            if std::mem::take(&mut queues.checkpoint) {
                return Next::Checkpoint;
            }
            if bulk_first && let Some((job, _place)) = queues.bulk.pop_front() {
                return Next::Job(job);
            }
            if let Some(job) = queues.people.pop_front() {
                return Next::Job(job);
            }
            if let Some((job, _place)) = queues.bulk.pop_front() {
                return Next::Job(job);
            }
            if queues.closed {
                return Next::Closed;
            }
            match limit {
                None => queues = self.wake.wait(queues).unwrap_or_else(PoisonError::into_inner),
                Some(limit) => {
                    let waited;
                    (queues, waited) =
                        self.wake.wait_timeout(queues, limit).unwrap_or_else(PoisonError::into_inner);
                    if waited.timed_out() {
                        return Next::Nothing;
                    }
                }
            }
        }
    }

    /// A job that people wait for, if there is one now.
    pub(super) fn people(&self) -> Option<Box<dyn Job>> {
        self.queues().people.pop_front()
    }

    /// A bulk job, if there is one now.
    pub(super) fn bulk(&self) -> Option<Box<dyn Job>> {
        self.queues().bulk.pop_front().map(|(job, _place)| job)
    }

    /// Whether bulk waits.
    pub(super) fn bulk_waits(&self) -> bool {
        !self.queues().bulk.is_empty()
    }

    /// Takes all that waits.
    pub(super) fn take_all(&self) -> Vec<Box<dyn Job>> {
        let mut queues = self.queues();
        let mut all: Vec<_> = queues.people.drain(..).collect();
        all.extend(queues.bulk.drain(..).map(|(job, _place)| job));
        all
    }

    /// Asks the writer to finish a checkpoint before its next turn.
    pub(super) fn ask_for_checkpoint(&self) {
        self.queues().checkpoint = true;
        self.wake.notify_one();
    }

    /// Lets the writer end once it has done what waits.
    pub(super) fn close(&self) {
        self.queues().closed = true;
        self.wake.notify_one();
    }

    pub(super) fn waiting(&self) -> usize {
        let queues = self.queues();
        queues.people.len() + queues.bulk.len()
    }
}
