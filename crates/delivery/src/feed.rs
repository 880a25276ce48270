//! The feed: the delivery log's tail, decoded and encoded once, with a window of what came last.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::value::RawValue;
use tidings_delivery_core::{
    Generations, Place,
    window::{Window, WindowLimits},
};
use tidings_log::{Log, LogError, Start, TopicPartition};
use tidings_model::{Clock, Record, planted};
use tidings_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

use crate::{DELIVERIES, Delivery, DeliveryRecord, Mark, backlog};

/// The pause while the database is away.
const AWAY_PAUSE: Duration = Duration::from_millis(250);

/// How much of the delivery log is kept in memory.
#[derive(Clone, Copy, Debug)]
pub struct FeedOptions {
    /// How far back it reaches.
    pub window: Duration,
    /// The most bytes of frames it holds.
    pub window_bytes: usize,
    /// Records read at once.
    pub batch: usize,
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self { window: Duration::from_mins(5), window_bytes: 64 << 20, batch: 500 }
    }
}

/// The feed of a process; all its connections share it.
#[derive(Debug)]
pub struct Feed {
    store: Store,
    generations: Generations,
    options: FeedOptions,
    mark: Mark,
    window: Mutex<Window<Delivery>>,
}

/// Who is told of new deliveries.
pub trait Listener: Send + Sync {
    /// Takes deliveries in the order of the log; the log was read up to `head`.
    fn take(&self, deliveries: &[Delivery], head: Place);
}

impl Feed {
    /// A feed whose window is empty and begins at `head`.
    pub fn new(
        store: Store,
        generations: Generations,
        mark: Mark,
        head: Place,
        options: FeedOptions,
    ) -> Self {
        Self { store, generations, options, mark, window: Mutex::new(Window::new(head)) }
    }

    /// The generations of the log.
    pub fn generations(&self) -> &Generations {
        &self.generations
    }

    /// The newest place that was read.
    pub fn head(&self) -> Place {
        self.window.lock().unwrap_or_else(PoisonError::into_inner).head()
    }

    /// The place behind which the window misses nothing.
    pub fn window_after(&self) -> Place {
        self.window.lock().unwrap_or_else(PoisonError::into_inner).after()
    }

    /// The subjects that the window's records removed.
    pub fn removed(&self) -> Vec<String> {
        let window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.removed().map(str::to_owned).collect()
    }

    /// What came after one place and up to another, if the window reaches back that far.
    pub fn between(&self, after: Place, upto: Place) -> Option<Vec<Delivery>> {
        let window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        Some(window.read(after, upto)?.cloned().collect())
    }

    /// Reads the log until `stop` and tells `listener`.
    pub async fn run(
        &self,
        log: Arc<dyn Log>,
        listener: Arc<dyn Listener>,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) -> Result<(), LogError> {
        let partition = TopicPartition { topic: DELIVERIES.to_owned(), partition: 0 };
        let mut tail = log.tail(partition, Start::At(self.head().0)).await?;
        self.note(self.head());
        loop {
            let records = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                records = tail.next(self.options.batch) => records?,
            };
            let deliveries = self.decode(records).await;
            let head = Place(tail.position());
            self.keep(&deliveries, head, clock.now());
            planted::crash_point("before_push");
            // After the window, so that whoever is told finds there what lies before.
            listener.take(&deliveries, head);
            planted::crash_point("after_push");
            self.note(head);
        }
    }

    fn keep(&self, deliveries: &[Delivery], head: Place, now: tidings_model::Timestamp) {
        let limits = WindowLimits {
            age: self.options.window,
            bytes: self.options.window_bytes,
            hard_bytes: self.options.window_bytes,
        };
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        for delivery in deliveries {
            window.push(delivery.clone(), delivery.json().len(), now);
        }
        // The projection is written with the append itself, so it has all that was read.
        window.trim(head, &limits, now);
    }

    fn note(&self, head: Place) {
        if let Err(cause) = self.mark.note(self.generations.current().id, head) {
            tracing::warn!(%cause, "the mark beside the database could not be written");
        }
    }

    async fn decode(&self, records: Vec<Record>) -> Vec<Delivery> {
        let mut deliveries = Vec::with_capacity(records.len());
        for record in records {
            let place = Place::of_offset(record.offset);
            let stored: Option<DeliveryRecord> =
                record.value.as_deref().and_then(|value| serde_json::from_slice(value).ok());
            let Some(stored) = stored else {
                tracing::error!(place = place.0, "a delivery record cannot be read; it is passed over");
                continue;
            };
            // Passing it over would be a silent hole for everybody, so the feed waits for the database.
            let delivery = loop {
                match self.complete(place, &stored).await {
                    Ok(delivery) => break delivery,
                    Err(cause) => {
                        tracing::error!(place = place.0, %cause, "the content of a delivery cannot be read yet");
                        tokio::time::sleep(AWAY_PAUSE).await;
                    }
                }
            };
            deliveries.push(delivery);
        }
        deliveries
    }

    async fn complete(&self, place: Place, record: &DeliveryRecord) -> Result<Delivery, StoreError> {
        let generation = self.generations.current().id;
        if let Some(data) = &record.data {
            return Ok(Delivery::new(place, generation, record, None, data));
        }
        let subject = record.subject.clone();
        let data = self.store.read(move |tx| async move { backlog::content(&tx, &subject).await }).await?;
        let data = RawValue::from_string(data.unwrap_or_else(|| "{}".to_owned())).unwrap_or_default();
        Ok(Delivery::new(place, generation, record, None, &data))
    }
}
