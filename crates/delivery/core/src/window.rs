//! The newest accepted records, in memory, shared by all connections of a node: what most resumes read.
//!
//! It is kept for 5 minutes or 64 MiB, and always reaches back to the place to which the projection is complete:
//! between the two nothing can be missing. Where memory forbids even that, it says so by not reaching back.

use std::{collections::VecDeque, time::Duration};

use tidings_model::{Kind, Timestamp};

use crate::{DeliveryRecord, Place};

/// How much a window keeps.
#[derive(Clone, Copy, Debug)]
pub struct WindowLimits {
    /// How long a record is kept once the projection has it.
    pub age: Duration,
    /// How many bytes are kept once the projection has them.
    pub bytes: usize,
    /// How many bytes are kept at most, whatever the projection has.
    pub hard_bytes: usize,
}

#[derive(Clone, Debug)]
struct Entry<F> {
    frame: F,
    bytes: usize,
    entered_at: Timestamp,
}

/// All resumable records after a place, up to the newest accepted one.
#[derive(Clone, Debug)]
pub struct Window<F> {
    after: Place,
    head: Place,
    bytes: usize,
    entries: VecDeque<Entry<F>>,
}

impl<F: AsRef<DeliveryRecord>> Window<F> {
    /// A window of a tail that starts behind a place: the projection's, or it is cold until that has caught up.
    pub fn new(after: Place) -> Self {
        Self { after, head: after, bytes: 0, entries: VecDeque::new() }
    }

    /// Takes an accepted record of so many bytes. Signals move the head and are not kept: nobody resumes them.
    pub fn push(&mut self, frame: F, bytes: usize, now: Timestamp) {
        let record = frame.as_ref();
        self.head = record.place;
        if record.kind != Kind::Signal {
            self.bytes += bytes;
            self.entries.push_back(Entry { frame, bytes, entered_at: now });
        }
    }

    /// Notes that nothing more lies up to a place: the records there were empty.
    pub fn advance(&mut self, head: Place) {
        self.head = self.head.max(head);
    }

    /// Lets go what is too old or too much, and known to the projection, which is complete up to `projected`.
    pub fn trim(&mut self, projected: Place, limits: &WindowLimits, now: Timestamp) {
        while let Some(oldest) = self.entries.front() {
            let place = oldest.frame.as_ref().place;
            let known = place <= projected;
            let much = self.bytes > limits.bytes || now.since(oldest.entered_at) > limits.age;
            if !(known && much || self.bytes > limits.hard_bytes) {
                return;
            }
            self.after = place;
            self.bytes -= oldest.bytes;
            self.entries.pop_front();
        }
    }

    /// The subjects that its records removed: a catch-up leaves them out from its first page on, even where the
    /// database does not know yet.
    pub fn removed(&self) -> impl Iterator<Item = &str> {
        let records = self.entries.iter().map(|entry| entry.frame.as_ref());
        records.filter(|record| record.removes).map(|record| record.subject.as_str())
    }

    /// The place behind which nothing is missing.
    pub fn after(&self) -> Place {
        self.after
    }

    /// The newest accepted place.
    pub fn head(&self) -> Place {
        self.head
    }

    /// Whether it reaches back to a place.
    pub fn reaches(&self, after: Place) -> bool {
        self.after <= after
    }

    /// Whether a node with this window may call itself ready.
    pub fn is_warm(&self, projected: Place) -> bool {
        self.reaches(projected)
    }

    /// The records after one place up to another; `None` when it does not reach back that far.
    pub fn read(&self, after: Place, upto: Place) -> Option<impl Iterator<Item = &F>> {
        self.reaches(after).then(|| {
            let first = self.entries.partition_point(|entry| entry.frame.as_ref().place <= after);
            let frames = self.entries.range(first..).map(|entry| &entry.frame);
            frames.take_while(move |frame| frame.as_ref().place <= upto)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::record::tests::said;

    const LIMITS: WindowLimits = WindowLimits { age: Duration::from_mins(5), bytes: 30, hard_bytes: 60 };

    fn window(records: u64) -> Window<Arc<DeliveryRecord>> {
        let mut window = Window::new(Place(2));
        for place in 3..3 + records {
            window.push(Arc::new(said(place)), 10, Timestamp(0));
        }
        window
    }

    fn places(window: &Window<Arc<DeliveryRecord>>, after: u64, upto: u64) -> Option<Vec<u64>> {
        Some(window.read(Place(after), Place(upto))?.map(|record| record.place.0).collect())
    }

    #[test]
    fn it_reads_what_it_has_and_refuses_what_it_has_not() {
        let window = window(4);
        assert_eq!(places(&window, 2, 9), Some(vec![3, 4, 5, 6]));
        assert_eq!(places(&window, 4, 5), Some(vec![5]));
        assert_eq!(places(&window, 6, 6), Some(vec![]));
        assert_eq!(places(&window, 1, 9), None);
    }

    #[test]
    fn it_keeps_what_the_projection_has_not_until_memory_forbids() {
        let mut long = window(5);
        long.trim(Place(3), &LIMITS, Timestamp(0));
        assert!(long.is_warm(Place(3)) && !long.reaches(Place(2)));
        long.trim(Place(7), &LIMITS, Timestamp(0));
        assert_eq!(places(&long, 4, 9), Some(vec![5, 6, 7]));
        let mut flooded = window(8);
        flooded.trim(Place(2), &LIMITS, Timestamp(0));
        assert!(!flooded.is_warm(Place(2)));
        assert_eq!(places(&flooded, 4, 99), Some(vec![5, 6, 7, 8, 9, 10]));
    }
}
