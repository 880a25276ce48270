//! What became of a partition's jobs: who waits from now on, who goes on, and in which order.

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError},
};

use tokio::time::Instant;

use super::{LEAST_REACH, Lane, Parked, Partition, Waiting};
use crate::{
    job::{Landed, Parking, Report, Task},
    line::{Line, Taken},
};

impl Partition {
    /// Takes back what became of a job.
    pub(crate) fn landed(&mut self, landed: Landed, now: Instant) {
        let Landed { task, report } = landed;
        if report.done > 0 {
            self.settled = now;
        }
        if let Some(window) = &report.window {
            self.window.merge(window);
            let mut numbers = self.claim.numbers.lock().unwrap_or_else(PoisonError::into_inner);
            numbers.forget_before(self.window.next());
        }
        if let Some(rest) = report.away {
            self.rests_until = Some(now + rest);
        }
        match task {
            Task::Fresh { slot, records } => self.landed_fresh(slot, records, &report, now),
            Task::Again { line, .. } => self.landed_again(line, &report, now),
            Task::Park { rows } => self.landed_park(rows, &report),
            Task::Parked { line, attempts, .. } => self.landed_parked(line, attempts, &report, now),
        }
    }

    fn landed_fresh(&mut self, slot: usize, records: Vec<Arc<Taken>>, report: &Report, now: Instant) {
        let mut rest: VecDeque<Arc<Taken>> = records.into_iter().skip(report.done).collect();
        let failed = report.failed.and_then(|failed| rest.pop_front().map(|first| (failed, first)));
        self.ready.add(&rest);
        let Lane { queue, flying, reach } = &mut self.lanes[slot];
        *reach = (2 * report.done).max(if rest.is_empty() { *reach } else { LEAST_REACH });
        rest.append(queue);
        *queue = rest;
        *flying = false;
        let Some((failed, first)) = failed else { return };
        let line = Line::of(&first.record);
        let (behind, others) = std::mem::take(queue)
            .into_iter()
            .partition::<VecDeque<_>, _>(|taken| Line::of(&taken.record) == line);
        *queue = others;
        self.ready.subtract(&behind);
        let mut records = behind;
        records.push_front(first);
        self.held.add(&records);
        let due = now + failed.wait;
        self.dues.insert((due, line.clone()));
        self.ages.insert((now, line.clone()));
        let attempts = failed.attempts;
        self.waiting.insert(line, Waiting { records, attempts, due, since: now, flying: false });
    }

    fn landed_again(&mut self, line: Line, report: &Report, now: Instant) {
        self.trying -= 1;
        let Some(waiting) = self.waiting.get_mut(&line) else { return };
        if report.done == 0 {
            waiting.flying = false;
            if let Some(failed) = report.failed {
                (waiting.attempts, waiting.due) = (failed.attempts, now + failed.wait);
            }
            self.dues.insert((waiting.due, line));
            return;
        }
        // It was handled or given up: those of its key go on, before what came later.
        let Some(mut waiting) = self.waiting.remove(&line) else { return };
        self.ages.remove(&(waiting.since, line.clone()));
        self.held.subtract(&waiting.records);
        waiting.records.pop_front();
        self.go_on(&line, waiting.records);
    }

    fn landed_park(&mut self, rows: Vec<Parking>, report: &Report) {
        self.parking = false;
        let written = report.done == rows.len();
        for Parking { line, taken, .. } in rows.into_iter().rev() {
            let Some(parked) = self.parked.get_mut(&line) else { continue };
            parked.flying = false;
            if written {
                parked.rows += 1;
                self.rows += 1;
                self.dues.insert((parked.due, line));
            } else {
                self.behind += 1;
                parked.behind.push_front(taken);
                self.unwritten.insert(line.clone());
                if parked.rows > 0 {
                    self.dues.insert((parked.due, line));
                }
            }
        }
    }

    fn landed_parked(&mut self, line: Line, attempts: u32, report: &Report, now: Instant) {
        self.trying -= 1;
        let Some(parked) = self.parked.get_mut(&line) else { return };
        parked.flying = false;
        let done = report.done as u64;
        parked.rows = parked.rows.saturating_sub(done);
        self.rows = self.rows.saturating_sub(done);
        parked.attempts = match report.failed {
            Some(failed) => failed.attempts,
            None if done > 0 => 0,
            None => attempts,
        };
        parked.due = report.failed.map_or(now, |failed| now + failed.wait);
        if parked.rows > 0 {
            self.dues.insert((parked.due, line));
            return;
        }
        let Some(Parked { behind, .. }) = self.parked.remove(&line) else { return };
        self.unwritten.remove(&line);
        self.behind -= behind.len();
        self.go_on(&line, behind);
    }

    /// Records of a line that waits no longer come before what came later.
    fn go_on(&mut self, line: &Line, mut records: VecDeque<Arc<Taken>>) {
        self.ready.add(&records);
        let slot = line.slot(self.lanes.len());
        let queue = &mut self.lanes[slot].queue;
        records.append(queue);
        *queue = records;
    }
}
