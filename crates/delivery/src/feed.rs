//! The feed: the delivery log's tail, decoded and encoded once, with a window of what came last.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::value::RawValue;
use tidings_delivery_core::{Generations, Place};
use tidings_log::{Log, LogError, Start, TopicPartition};
use tidings_model::{Clock, Record};
use tidings_store::{Store, StoreError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{DELIVERIES, Delivery, DeliveryRecord, backlog};

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
    window: Mutex<Window>,
    head: watch::Sender<Place>,
}

#[derive(Debug)]
struct Window {
    deliveries: VecDeque<Arc<Delivery>>,
    bytes: usize,
    // Everything after this place is in the window.
    after: Place,
}

impl Feed {
    /// A feed whose window is empty and begins at `head`.
    pub fn new(store: Store, generations: Generations, head: Place, options: FeedOptions) -> Self {
        Self {
            store,
            generations,
            options,
            window: Mutex::new(Window { deliveries: VecDeque::new(), bytes: 0, after: head }),
            head: watch::Sender::new(head),
        }
    }

    /// The generations of the log.
    pub fn generations(&self) -> &Generations {
        &self.generations
    }

    /// The newest place that was read, and its changes.
    pub fn head(&self) -> watch::Receiver<Place> {
        self.head.subscribe()
    }

    /// What came after `place`, if the window reaches back to it.
    pub fn since(&self, place: Place) -> Option<Vec<Arc<Delivery>>> {
        let window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if place < window.after {
            return None;
        }
        let from = window.deliveries.partition_point(|delivery| delivery.place <= place);
        Some(window.deliveries.iter().skip(from).cloned().collect())
    }

    /// Reads the log until `stop`.
    pub async fn run(&self, log: Arc<dyn Log>, clock: Arc<dyn Clock>, stop: CancellationToken) -> Result<(), LogError> {
        let partition = TopicPartition { topic: DELIVERIES.to_owned(), partition: 0 };
        let start = Start::At(self.head.borrow().0);
        let mut tail = log.tail(partition, start).await?;
        loop {
            let records = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                records = tail.next(self.options.batch) => records?,
            };
            let deliveries = self.decode(records).await;
            let oldest = clock.now().minus(self.options.window);
            self.push(deliveries, oldest, Place(tail.position()));
        }
    }

    async fn decode(&self, records: Vec<Record>) -> Vec<Arc<Delivery>> {
        let mut deliveries = Vec::with_capacity(records.len());
        for record in records {
            let place = Place::of_offset(record.offset);
            let stored: Option<DeliveryRecord> =
                record.value.as_deref().and_then(|value| serde_json::from_slice(value).ok());
            let Some(stored) = stored else {
                tracing::error!(place = place.0, "a delivery record cannot be read; it is passed over");
                continue;
            };
            match self.complete(place, stored).await {
                Ok(delivery) => deliveries.push(delivery),
                Err(cause) => {
                    tracing::error!(place = place.0, %cause, "the content of a delivery cannot be read");
                }
            }
        }
        deliveries
    }

    async fn complete(&self, place: Place, record: DeliveryRecord) -> Result<Arc<Delivery>, StoreError> {
        let generation = self.generations.current().id;
        if let Some(data) = &record.data {
            let data = data.clone();
            return Ok(Delivery::new(place, generation, record, &data));
        }
        let subject = record.subject.clone();
        let data = self.store.read(move |tx| async move { backlog::content(&tx, &subject).await }).await?;
        let data = RawValue::from_string(data.unwrap_or_else(|| "{}".to_owned())).unwrap_or_default();
        Ok(Delivery::new(place, generation, record, &data))
    }

    fn push(&self, deliveries: Vec<Arc<Delivery>>, oldest: tidings_model::Timestamp, head: Place) {
        {
            let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
            for delivery in deliveries {
                window.bytes += delivery.json.len();
                window.deliveries.push_back(delivery);
            }
            while let Some(first) = window.deliveries.front() {
                if window.bytes <= self.options.window_bytes && first.record.time >= oldest {
                    break;
                }
                let (place, bytes) = (first.place, first.json.len());
                window.deliveries.pop_front();
                window.bytes -= bytes;
                window.after = place;
            }
        }
        // After the window, so that whoever sees the head finds what lies before it.
        self.head.send_replace(head);
    }
}
