//! One partition that this process owns: which records are ready, which wait, and what is to be done next.
//!
//! It decides and does nothing: records go in, jobs come out, what became of them goes in again, `now` is passed
//! in. **Only its key waits**: a record that failed keeps back the records of its [`Line`] and no others. Lines wait
//! in memory with the high-water place before them, within [`Limits`]; past these they are *parked*: written as rows
//! in a transaction that marks them done, and worked off from there.

mod landing;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    ops::Range,
    sync::{Arc, PoisonError},
    time::Duration,
};

use tidings_model::Record;
use tokio::time::Instant;

use crate::{
    Limits,
    job::{Job, Parking, Task},
    line::{Amount, Line, Taken},
    numbers::Verdict,
    parked::Head,
    progress::Claim,
    window::Window,
};

/// Lines that are tried again at the same time.
const AGAIN: usize = 8;
/// Records that a job takes at least, where so many are ready.
const LEAST_REACH: usize = 100;
/// Rows that a job reads of a parked line, at most.
const READ_ROWS: usize = 2_000;
/// Rows that one transaction parks.
const PARK_ROWS: usize = 200;

/// A run of fresh records; one job at a time, so what belongs to a line stays in order.
#[derive(Debug)]
struct Lane {
    queue: VecDeque<Arc<Taken>>,
    flying: bool,
    // How many the next job takes: about as many as the last one could do, as the rest is put back one by one.
    reach: usize,
}

impl Default for Lane {
    fn default() -> Self {
        Self { queue: VecDeque::new(), flying: false, reach: LEAST_REACH }
    }
}

/// A line that waits in memory; the first record is the one that failed.
#[derive(Debug)]
struct Waiting {
    records: VecDeque<Arc<Taken>>,
    attempts: u32,
    due: Instant,
    since: Instant,
    flying: bool,
}

/// A line whose records are rows.
#[derive(Debug)]
struct Parked {
    rows: u64,
    attempts: u32,
    due: Instant,
    flying: bool,
    // Records that came since and are not written yet.
    behind: VecDeque<Arc<Taken>>,
}

/// What this process knows of a partition that it owns.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) claim: Claim,
    limits: Limits,
    batch: usize,
    window: Window,
    // The offset after the newest record that was taken in, and what is done with the next one that is.
    taken: u64,
    also: Vec<Range<u64>>,
    lanes: Vec<Lane>,
    waiting: HashMap<Line, Waiting>,
    parked: HashMap<Line, Parked>,
    // Parked lines with records that are not written yet.
    unwritten: BTreeSet<Line>,
    // When lines that are not being tried are to be, and since when those in memory wait.
    dues: BTreeSet<(Instant, Line)>,
    ages: BTreeSet<(Instant, Line)>,
    trying: usize,
    parking: bool,
    // What is in lanes, what is in waiting lines; records that wait to be parked; rows.
    ready: Amount,
    held: Amount,
    behind: usize,
    rows: u64,
    // Nothing is begun before: the database is away.
    rests_until: Option<Instant>,
    full: bool,
    settled: Instant,
}

impl Partition {
    /// A partition that was taken over, with the heads of what is parked of it.
    pub(crate) fn new(
        claim: Claim,
        window: Window,
        heads: Vec<Head>,
        batch: usize,
        limits: &Limits,
        now: Instant,
    ) -> Self {
        let lanes = (0..limits.lanes.max(1)).map(|_| Lane::default()).collect();
        let mut partition = Self {
            claim,
            limits: limits.clone(),
            batch: batch.max(1),
            taken: window.next(),
            window,
            also: Vec::new(),
            lanes,
            waiting: HashMap::new(),
            parked: HashMap::new(),
            unwritten: BTreeSet::new(),
            dues: BTreeSet::new(),
            ages: BTreeSet::new(),
            trying: 0,
            parking: false,
            ready: Amount::default(),
            held: Amount::default(),
            behind: 0,
            rows: 0,
            rests_until: None,
            full: false,
            settled: now,
        };
        for Head { line, rows, attempts, wait } in heads {
            let due = now + wait;
            partition.rows += rows;
            partition.dues.insert((due, line.clone()));
            let parked = Parked { rows, attempts, due, flying: false, behind: VecDeque::new() };
            partition.parked.insert(line, parked);
        }
        partition
    }

    /// The first offset that is not done.
    pub(crate) fn next_offset(&self) -> u64 {
        self.window.next()
    }

    /// Since when it has work of which nothing was finished; none while it has none.
    pub(crate) fn stuck_since(&self) -> Option<Instant> {
        (self.ready.records + self.held.records + self.behind > 0 || self.rows > 0).then_some(self.settled)
    }

    /// Whether a number was missing for so long that its record is lost.
    pub(crate) fn has_lost_records(&self, now: Instant) -> bool {
        self.overdue_at().is_some_and(|overdue| overdue <= now)
    }

    fn overdue_at(&self) -> Option<Instant> {
        self.claim.numbers.lock().unwrap_or_else(PoisonError::into_inner).overdue_at()
    }

    /// Takes records in, in order.
    pub(crate) fn take(&mut self, records: Vec<Record>, now: Instant) {
        if self.stuck_since().is_none() {
            self.settled = now;
        }
        let numbers = Arc::clone(&self.claim.numbers);
        let mut numbers = numbers.lock().unwrap_or_else(PoisonError::into_inner);
        for record in records {
            if record.offset < self.taken {
                continue;
            }
            if self.taken < record.offset {
                self.also.push(self.taken..record.offset);
            }
            self.taken = record.offset + 1;
            let verdict = numbers.judge(record.offset, record.number(), now);
            if self.window.is_done(record.offset) {
                continue;
            }
            if verdict == Verdict::Early {
                continue;
            }
            if verdict == Verdict::New && record.number().is_some() {
                self.also.extend(numbers.take_early().into_iter().map(|early| early..early + 1));
            }
            let (also, is_repeat) = (std::mem::take(&mut self.also), verdict == Verdict::Repeat);
            let taken = Arc::new(Taken { record, also, is_repeat });
            if let ([lane], true, true) = (&mut *self.lanes, self.waiting.is_empty(), self.parked.is_empty())
            {
                // The usual case, for each record there is: which line it belongs to matters to nobody.
                self.ready.add([&taken]);
                lane.queue.push_back(taken);
                continue;
            }
            let line = Line::of(&taken.record);
            if let Some(waiting) = self.waiting.get_mut(&line) {
                self.held.add([&taken]);
                waiting.records.push_back(taken);
            } else if let Some(parked) = self.parked.get_mut(&line) {
                self.behind += 1;
                parked.behind.push_back(taken);
                self.unwritten.insert(line);
            } else {
                self.ready.add([&taken]);
                let slot = line.slot(self.lanes.len());
                self.lanes[slot].queue.push_back(taken);
            }
        }
    }

    /// Whether it holds so much that nothing more should be read.
    pub(crate) fn is_full(&mut self) -> bool {
        let early = self.claim.numbers.lock().unwrap_or_else(PoisonError::into_inner).early();
        let limits = &self.limits;
        let part = |share: usize| {
            self.ready.records >= limits.ready / share
                || self.ready.bytes >= limits.ready_bytes / share
                || self.held.records + self.behind >= 2 * limits.held / share
                || self.held.bytes >= 2 * limits.held_bytes / share
                || self.span() >= 2 * limits.held as u64 / share as u64
                || self.rows >= limits.parked
                || early >= limits.held
        };
        // Full until it is half empty, so that reading is not switched with each record.
        self.full = if self.full { part(2) } else { part(1) };
        self.full
    }

    /// Offsets between the high-water place and the newest record.
    fn span(&self) -> u64 {
        self.taken.saturating_sub(self.window.next())
    }

    /// When there may be something to do that is not now, if nothing happens before.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        if let Some(until) = self.rests_until {
            return Some(until);
        }
        let later = (now + Duration::from_nanos(1), Line::first());
        let next = self.dues.range(later..).next().map(|(due, _)| *due);
        let oldest = self.ages.first().map(|(since, _)| *since + self.limits.held_for);
        let missing = self.overdue_at();
        next.into_iter().chain(oldest.filter(|due| *due > now)).chain(missing).min()
    }

    /// What is to be done now. Each job comes back by [`Partition::landed`].
    pub(crate) fn jobs(&mut self, now: Instant) -> Vec<Job> {
        if self.rests_until.is_some_and(|until| until > now) {
            return Vec::new();
        }
        self.rests_until = None;
        let mut tasks = Vec::new();
        self.spill(now);
        tasks.extend(self.park());
        while self.trying < AGAIN
            && let Some(entry) = self.dues.first().filter(|(due, _)| *due <= now).cloned()
        {
            self.dues.remove(&entry);
            self.trying += 1;
            tasks.push(self.again(entry.1));
        }
        for (slot, lane) in self.lanes.iter_mut().enumerate() {
            let take = self.batch.min(lane.reach).min(lane.queue.len());
            if lane.flying || take == 0 {
                continue;
            }
            lane.flying = true;
            let records: Vec<_> = lane.queue.drain(..take).collect();
            self.ready.subtract(&records);
            tasks.push(Task::Fresh { slot, records });
        }
        tasks.into_iter().map(|task| Job { claim: self.claim.clone(), task }).collect()
    }

    /// The next attempt of a line that is due.
    fn again(&mut self, line: Line) -> Task {
        if let Some(parked) = self.parked.get_mut(&line) {
            parked.flying = true;
            let limit = self.batch.min(READ_ROWS);
            return Task::Parked { attempts: parked.attempts, limit, line };
        }
        let waiting = self.waiting.get_mut(&line);
        let first = waiting.and_then(|waiting| {
            waiting.flying = true;
            waiting.records.front().map(|first| (Arc::clone(first), waiting.attempts))
        });
        let Some((record, attempts)) = first else { unreachable!("a line that is due waits") };
        Task::Again { line, record, attempts }
    }

    /// Lines that wait for too long, with too many, or far behind the newest record are to be parked.
    fn spill(&mut self, now: Instant) {
        let Limits { held, held_bytes, held_for, .. } = self.limits;
        // At these bounds themselves: a partition that is full reads on only below them.
        let crowded = self.held.records >= held || self.held.bytes >= held_bytes;
        let far = self.span() >= held as u64;
        let Some((oldest, _)) = self.ages.first() else { return };
        if !crowded && !far && *oldest + held_for > now {
            return;
        }
        for (since, line) in self.ages.clone() {
            let crowded = crowded && (self.held.records > held / 2 || self.held.bytes > held_bytes / 2);
            let is_old = since + held_for <= now;
            if !crowded && !far && !is_old {
                break;
            }
            let Some(waiting) = self.waiting.get(&line).filter(|waiting| !waiting.flying) else { continue };
            let head = waiting.records.front().map_or(self.taken, |first| first.record.offset);
            if crowded || is_old || head + (held as u64) / 2 < self.taken {
                self.set_aside(since, line);
            }
        }
    }

    /// From here on a line's records are rows, once these are written.
    fn set_aside(&mut self, since: Instant, line: Line) {
        let Some(waiting) = self.waiting.remove(&line) else { return };
        self.ages.remove(&(since, line.clone()));
        self.dues.remove(&(waiting.due, line.clone()));
        self.held.subtract(&waiting.records);
        self.behind += waiting.records.len();
        self.unwritten.insert(line.clone());
        let Waiting { records: behind, attempts, due, .. } = waiting;
        self.parked.insert(line, Parked { rows: 0, attempts, due, flying: false, behind });
    }

    /// The next rows to be written, of as many lines as fit.
    fn park(&mut self) -> Option<Task> {
        if self.parking || self.behind == 0 {
            return None;
        }
        let mut rows = Vec::new();
        for line in self.unwritten.clone() {
            // A line that is being worked off is written to when that is over: its head may change.
            let Some(parked) = self.parked.get_mut(&line).filter(|parked| !parked.flying) else { continue };
            let take = parked.behind.len().min(PARK_ROWS - rows.len());
            // Only the head's attempts count: the others were never tried.
            let first = parked.rows == 0;
            for (at, taken) in parked.behind.drain(..take).enumerate() {
                let (attempts, due) =
                    if first && at == 0 { (parked.attempts, parked.due) } else { (0, parked.due) };
                rows.push(Parking { line: line.clone(), taken, attempts, due });
            }
            parked.flying = true;
            self.dues.remove(&(parked.due, line.clone()));
            if parked.behind.is_empty() {
                self.unwritten.remove(&line);
            }
            if rows.len() == PARK_ROWS {
                break;
            }
        }
        self.behind -= rows.len();
        self.parking = !rows.is_empty();
        self.parking.then_some(Task::Park { rows })
    }
}
