//! Reading the log: one generation after the other, each record once, decoded and shown.

use std::sync::{Arc, PoisonError};

use serde_json::value::RawValue;
use tidings_delivery_core::{
    Generation, Number, Place,
    accept::{Acceptance, Acceptor},
    window::{Window, WindowLimits},
};
use tidings_log::LogError;
use tidings_model::{Clock, Record, Timestamp, planted};
use tidings_store::{Appends, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{AWAY_PAUSE, Feed, LOOK, Listener, beginning};
use crate::{Delivery, DeliveryRecord, backlog, deliver, projection};

/// How a feed reads the log of one generation.
struct Reading<'a> {
    generation: Generation,
    acceptor: Acceptor,
    listener: &'a dyn Listener,
    clock: &'a dyn Clock,
}

/// What ends a reading.
enum Ended {
    /// Records have to be read again from here.
    Reread(Place),
    /// The log is not the one that was read before.
    OtherLog,
}

impl Feed {
    /// Reads the log until `stop` and tells `listener`.
    pub async fn run(
        &self,
        listener: Arc<dyn Listener>,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) -> Result<(), LogError> {
        let mut newest = self.generations.subscribe();
        let (generation, begin) = self.begin;
        if newest.borrow().current() != generation {
            newest.mark_changed();
        }
        let acceptor = Acceptor::from_stored(begin);
        let mut reading = Reading { generation, acceptor, listener: &*listener, clock: &*clock };
        self.note(self.head());
        loop {
            let read = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                // The sender is the feed's own.
                _ = newest.changed() => {
                    self.change_over(&mut reading).await;
                    continue;
                }
                read = self.read_on(&mut reading) => read,
            };
            let Err(cause) = read;
            if !cause.is_away() {
                return Err(cause);
            }
            tracing::warn!(%cause, "the delivery log cannot be read; streams wait for it");
            tokio::time::sleep(AWAY_PAUSE).await;
        }
    }

    /// Goes on with the newest generation, where the projection is in it: what was read before is over.
    async fn change_over(&self, reading: &mut Reading<'_>) {
        let (generation, begin) = loop {
            match beginning(&self.store).await {
                Ok(beginning) => break beginning,
                Err(cause) => {
                    tracing::warn!(%cause, "a new generation began, and its beginning could not be read");
                    tokio::time::sleep(AWAY_PAUSE).await;
                }
            }
        };
        reading.generation = generation;
        reading.acceptor = Acceptor::from_stored(begin);
        *self.window.lock().unwrap_or_else(PoisonError::into_inner) = Window::new(begin.place);
        *self.projected.lock().unwrap_or_else(PoisonError::into_inner) = (begin.place, Instant::now());
        tracing::warn!(
            head = begin.place.0,
            "a new generation of the delivery log is read; all streams begin anew"
        );
        reading.listener.begin_anew(begin.place);
    }

    async fn read_on(&self, reading: &mut Reading<'_>) -> Result<std::convert::Infallible, LogError> {
        let mut from = reading.acceptor.accepted().place;
        loop {
            let topic = projection::topic(&self.store);
            let mut tail = projection::tail_at(&*self.log, topic, reading.generation, from).await?;
            // Until something has to be read again.
            from = loop {
                let records = tokio::select! {
                    records = tail.next(self.options.batch) => records?,
                    () = tokio::time::sleep(LOOK), if reading.acceptor.hole().is_some() => Vec::new(),
                };
                match self.take(reading, records).await {
                    None => {}
                    Some(Ended::Reread(from)) => break from,
                    Some(Ended::OtherLog) => {
                        tracing::error!(
                            "the delivery log is not the one that was read before; it is read again"
                        );
                        // Where it is another one, the projection finds the same, and this reading is given up.
                        tokio::time::sleep(LOOK).await;
                        break reading.acceptor.accepted().place;
                    }
                }
                if let Some(from) = self.pass_holes(&mut reading.acceptor).await {
                    break from;
                }
            };
        }
    }

    /// Takes what is new of these records; answers what ends the reading, if something does.
    async fn take(&self, reading: &mut Reading<'_>, records: Vec<Record>) -> Option<Ended> {
        let Reading { generation, acceptor, listener, clock } = reading;
        let (now, before) = (clock.now(), acceptor.accepted().place);
        let (mut accepted, mut ended) = (Vec::with_capacity(records.len()), None);
        for record in records {
            let place = generation.place(record.offset);
            match acceptor.offer(place, record.number().map(Number), now) {
                Acceptance::Accept => accepted.push((place, record)),
                Acceptance::Drop if planted::is("repeats_taken") => accepted.push((place, record)),
                Acceptance::Drop | Acceptance::Hold => {}
                Acceptance::Reread(from) => {
                    ended = Some(Ended::Reread(from));
                    break;
                }
                Acceptance::NewGeneration => {
                    ended = Some(Ended::OtherLog);
                    break;
                }
            }
        }
        let head = acceptor.accepted().place;
        if head > before {
            let deliveries = self.decode(*generation, accepted).await;
            self.keep(&deliveries, head, now);
            planted::crash_point("before_push");
            // After the window, so that whoever is told finds there what lies before.
            listener.take(&deliveries, head);
            planted::crash_point("after_push");
            self.note(head);
            let projected = self.projected(head).await;
            self.trim(projected, now);
        }
        ended
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
        if let Err(cause) = mark.note(self.generation().id, head) {
            tracing::warn!(%cause, "the mark beside the database could not be written");
        }
    }

    async fn decode(&self, generation: Generation, records: Vec<(Place, Record)>) -> Vec<Delivery> {
        let mut deliveries = Vec::with_capacity(records.len());
        for (place, record) in records {
            // Its number was sent empty.
            let Some(value) = record.value.as_deref() else { continue };
            let Ok(stored) = serde_json::from_slice::<DeliveryRecord>(value) else {
                tracing::error!(place = place.0, "a delivery record cannot be read; it is passed over");
                continue;
            };
            // Passing it over would be a silent hole for everybody, so the feed waits for the database.
            let delivery = loop {
                match self.complete(generation, place, &stored).await {
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

    async fn complete(
        &self,
        Generation { id: generation, .. }: Generation,
        place: Place,
        record: &DeliveryRecord,
    ) -> Result<Delivery, StoreError> {
        if let Some(data) = &record.data {
            return Ok(Delivery::new(place, generation, record, None, data));
        }
        let subject = record.subject.clone();
        let data = self.store.read(move |tx| async move { backlog::content(&tx, &subject).await }).await?;
        let data = RawValue::from_string(data.unwrap_or_else(|| "{}".to_owned())).unwrap_or_default();
        Ok(Delivery::new(place, generation, record, None, &data))
    }
}
