//! The feed: the delivery log's tail, decoded and encoded once, with a window of what came last.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::value::RawValue;
use tidings_delivery_core::{
    Generations, Number, Place,
    accept::{Acceptance, Accepted, Acceptor},
    window::{Window, WindowLimits},
};
use tidings_log::{Log, LogError};
use tidings_model::{Clock, Record, Timestamp, planted};
use tidings_store::{Appends, Store, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Delivery, DeliveryRecord, Mark, Person, backlog, deliver, projection, receipts, retention};

/// How long a receipt waits for the projection.
const SETTLES: Duration = Duration::from_secs(2);
/// The pause while the database is away.
const AWAY_PAUSE: Duration = Duration::from_millis(250);

/// Pause between two looks for numbers that were given up.
const LOOK: Duration = Duration::from_secs(1);

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
    log: Arc<dyn Log>,
    generations: Generations,
    options: FeedOptions,
    // Only beside a log that lies in the database's own file.
    mark: Option<Mark>,
    begin: Accepted,
    window: Mutex<Window<Delivery>>,
    // The place up to which the projection was complete when it was last looked at, and when that was.
    projected: Mutex<(Place, Instant)>,
    // The newest place that the log was seen to have.
    end: tokio::sync::Mutex<Place>,
}

/// Who is told of new deliveries.
pub trait Listener: Send + Sync {
    /// Takes deliveries in the order of the log; the log was read up to `head`.
    fn take(&self, deliveries: &[Delivery], head: Place);
}

impl Feed {
    /// A feed whose window is empty and begins where the projection is complete: what lies before is read there.
    pub async fn open(
        store: Store,
        log: Arc<dyn Log>,
        generations: Generations,
        mark: Option<Mark>,
        options: FeedOptions,
    ) -> Result<Self, StoreError> {
        let begin = store
            .read(|tx| async move {
                match projection::stored(&tx).await? {
                    Some(stored) => Ok(stored),
                    None => Ok(Accepted { place: deliver::head(&tx).await?, ..Accepted::default() }),
                }
            })
            .await?;
        let window = Mutex::new(Window::new(begin.place));
        let projected = Mutex::new((begin.place, Instant::now()));
        Ok(Self {
            store,
            log,
            generations,
            options,
            mark,
            begin,
            window,
            projected,
            end: tokio::sync::Mutex::new(Place::ORIGIN),
        })
    }

    /// The generations of the log.
    pub fn generations(&self) -> &Generations {
        &self.generations
    }

    /// The newest place that was read.
    pub fn head(&self) -> Place {
        self.window.lock().unwrap_or_else(PoisonError::into_inner).head()
    }

    /// The newest place of the log, if it is at or past `wanted`: what was not read here yet was shown by another
    /// node, or by this one before it was started again, whose projection is behind.
    pub async fn reaches(&self, wanted: Place) -> Result<Place, LogError> {
        let head = self.head();
        if head >= wanted || self.store.appends() == Appends::Log {
            return Ok(head);
        }
        // One question, whoever else waits for its answer.
        let mut end = self.end.lock().await;
        if *end < wanted {
            *end = projection::end(&*self.log, &projection::topic(&self.store)).await?;
        }
        Ok(head.max(*end))
    }

    /// Waits until the projection has the items that a client names: what was shown, here or by another process, is
    /// never taken for something that was not theirs. At most two seconds; then what is not projected is not known.
    pub async fn settles(&self, person: &Person, items: &[String]) -> Result<(), StoreError> {
        if self.store.appends() == Appends::Log || items.is_empty() {
            return Ok(());
        }
        projection::reached(&self.store, self.head(), SETTLES).await?;
        let (person, items) = (person.clone(), items.to_vec());
        let known = self.store.read(move |tx| async move {
            for item in &items {
                if !receipts::is_theirs(&tx, &person, item).await? {
                    return Ok(false);
                }
            }
            Ok::<_, StoreError>(true)
        });
        if known.await? {
            return Ok(());
        }
        match projection::end(&*self.log, &projection::topic(&self.store)).await {
            Ok(end) => projection::reached(&self.store, end, SETTLES).await.map(drop),
            Err(cause) => {
                tracing::warn!(%cause, "the end of the delivery log could not be asked for");
                Ok(())
            }
        }
    }

    /// The place behind which the window misses nothing.
    pub fn window_after(&self) -> Place {
        self.window.lock().unwrap_or_else(PoisonError::into_inner).after()
    }

    /// The place behind which the projection has forgotten nothing.
    pub async fn kept_after(&self) -> Result<Place, StoreError> {
        self.store.read(|tx| async move { retention::kept_after(&tx).await }).await
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
        listener: Arc<dyn Listener>,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) -> Result<(), LogError> {
        let mut acceptor = Acceptor::from_stored(self.begin);
        self.note(self.head());
        loop {
            let read = self.read_on(&mut acceptor, &*listener, &*clock);
            let Err(cause) = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                read = read => read,
            };
            if !cause.is_away() {
                return Err(cause);
            }
            tracing::warn!(%cause, "the delivery log cannot be read; streams wait for it");
            tokio::time::sleep(AWAY_PAUSE).await;
        }
    }

    async fn read_on(
        &self,
        acceptor: &mut Acceptor,
        listener: &dyn Listener,
        clock: &dyn Clock,
    ) -> Result<std::convert::Infallible, LogError> {
        let mut from = acceptor.accepted().place;
        loop {
            let mut tail = projection::tail_at(&*self.log, projection::topic(&self.store), from).await?;
            // Until something has to be read again.
            from = loop {
                let records = tokio::select! {
                    records = tail.next(self.options.batch) => records?,
                    () = tokio::time::sleep(LOOK), if acceptor.hole().is_some() => Vec::new(),
                };
                if let Some(from) = self.take(acceptor, records, listener, clock).await {
                    break from;
                }
                if let Some(from) = self.pass_holes(acceptor).await {
                    break from;
                }
            };
        }
    }

    /// Takes what is new of these records; answers from where to read again, if that is so.
    async fn take(
        &self,
        acceptor: &mut Acceptor,
        records: Vec<Record>,
        listener: &dyn Listener,
        clock: &dyn Clock,
    ) -> Option<Place> {
        let (now, before) = (clock.now(), acceptor.accepted().place);
        let (mut accepted, mut again) = (Vec::with_capacity(records.len()), None);
        for record in records {
            match acceptor.offer(Place::of_offset(record.offset), record.number().map(Number), now) {
                Acceptance::Accept => accepted.push(record),
                Acceptance::Drop if planted::is("repeats_taken") => accepted.push(record),
                Acceptance::Drop | Acceptance::Hold => {}
                Acceptance::Reread(from) => {
                    again = Some(from);
                    break;
                }
                Acceptance::NewGeneration => {
                    tracing::error!("the delivery log is not the one that was read before");
                }
            }
        }
        let head = acceptor.accepted().place;
        if head > before {
            let deliveries = self.decode(accepted).await;
            self.keep(&deliveries, head, now);
            planted::crash_point("before_push");
            // After the window, so that whoever is told finds there what lies before.
            listener.take(&deliveries, head);
            planted::crash_point("after_push");
            self.note(head);
            let projected = self.projected(head).await;
            self.trim(projected, now);
        }
        again
    }

    /// Passes the missing numbers that the projection has given up; answers from where to read again.
    async fn pass_holes(&self, acceptor: &mut Acceptor) -> Option<Place> {
        acceptor.hole()?;
        let holes = self.store.read(|tx| async move { projection::holes(&tx).await }).await;
        let holes = holes.inspect_err(|cause| tracing::warn!(%cause, "lost numbers could not be looked up"));
        holes.ok()?.iter().find_map(|hole| acceptor.pass(hole))
    }

    /// Up to where the window may let go. Where the log is embedded, the projection is written with the append
    /// itself, so it has all that was read; elsewhere it is asked from time to time, for an older answer only keeps
    /// more.
    async fn projected(&self, head: Place) -> Place {
        if self.store.appends() == Appends::Log {
            return head;
        }
        let (known, looked_at) = *self.projected.lock().unwrap_or_else(PoisonError::into_inner);
        if looked_at.elapsed() < LOOK {
            return known;
        }
        let asked = self.store.read(|tx| async move { deliver::head(&tx).await }).await;
        let projected = asked.unwrap_or(known);
        *self.projected.lock().unwrap_or_else(PoisonError::into_inner) = (projected, Instant::now());
        projected
    }

    fn keep(&self, deliveries: &[Delivery], head: Place, now: Timestamp) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        for delivery in deliveries {
            window.push(delivery.clone(), delivery.json().len(), now);
        }
        window.advance(head);
    }

    fn trim(&self, projected: Place, now: Timestamp) {
        let limits = WindowLimits {
            age: self.options.window,
            bytes: self.options.window_bytes,
            // What the projection does not have yet may take as much again.
            hard_bytes: self.options.window_bytes * 2,
        };
        self.window.lock().unwrap_or_else(PoisonError::into_inner).trim(projected, &limits, now);
    }

    fn note(&self, head: Place) {
        let Some(mark) = &self.mark else { return };
        if let Err(cause) = mark.note(self.generations.current().id, head) {
            tracing::warn!(%cause, "the mark beside the database could not be written");
        }
    }

    async fn decode(&self, records: Vec<Record>) -> Vec<Delivery> {
        let mut deliveries = Vec::with_capacity(records.len());
        for record in records {
            let place = Place::of_offset(record.offset);
            // Its number was sent empty.
            let Some(value) = record.value.as_deref() else { continue };
            let Ok(stored) = serde_json::from_slice::<DeliveryRecord>(value) else {
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
