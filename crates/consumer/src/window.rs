//! How far a partition is: the *high-water place*, up to which everything is done, and what is done past it.
//!
//! A record that waits keeps the high-water place before it; those done after it are kept as runs of offsets. The
//! whole window lies in one row and is written in the transaction of the effects, so it must stay small: whoever
//! fills it bounds its span (see [`crate::Limits`]).

use std::{collections::BTreeMap, fmt::Write as _, ops::Range};

/// What is done of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    next: u64,
    // Start → end (not included) of runs past `next`; none touches another or `next`.
    runs: BTreeMap<u64, u64>,
}

impl Window {
    /// Everything before `next` is done, and nothing else.
    pub(crate) fn at(next: u64) -> Self {
        Self { next, runs: BTreeMap::new() }
    }

    /// The first offset that is not done.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Whether an offset is done.
    pub(crate) fn is_done(&self, offset: u64) -> bool {
        offset < self.next || self.runs.range(..=offset).next_back().is_some_and(|(_, end)| offset < *end)
    }

    /// Notes offsets as done; those that were so before stay so.
    pub(crate) fn finish(&mut self, done: Range<u64>) {
        let (mut start, mut end) = (done.start.max(self.next), done.end);
        if start >= end {
            return;
        }
        // Runs that touch it become one with it.
        while let Some((from, to)) = self.runs.range(..=end).next_back().map(|(from, to)| (*from, *to)) {
            if to < start {
                break;
            }
            self.runs.remove(&from);
            (start, end) = (start.min(from), end.max(to));
        }
        if start <= self.next {
            self.next = end;
        } else {
            self.runs.insert(start, end);
        }
    }

    /// What one or the other has done.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.finish(0..other.next);
        for (start, end) in &other.runs {
            self.finish(*start..*end);
        }
    }

    /// The runs as their column holds them: `+skip:length` for each.
    pub(crate) fn encode(&self) -> String {
        let mut after = self.next;
        let mut text = String::new();
        for (start, end) in &self.runs {
            match write!(text, "+{}:{}", start - after, end - start) {
                Ok(()) => after = *end,
                Err(_never) => unreachable!("a string takes all text"),
            }
        }
        text
    }

    /// A window from its columns; none if they were not written by [`Window::encode`].
    pub(crate) fn decode(next: u64, runs: &str) -> Option<Self> {
        let mut window = Self::at(next);
        let mut after = next;
        for run in runs.split('+').skip(1) {
            let (skip, length) = run.split_once(':')?;
            let start = after.checked_add(skip.parse().ok().filter(|skip: &u64| *skip > 0)?)?;
            after = start.checked_add(length.parse().ok().filter(|length: &u64| *length > 0)?)?;
            window.runs.insert(start, after);
        }
        (runs.is_empty() || runs.starts_with('+')).then_some(window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_in_any_order_folds_into_the_high_water_place() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let mut offsets: Vec<u64> = (3..60).collect();
            random.shuffle(&mut offsets);
            let mut window = Window::at(3);
            let mut done = std::collections::BTreeSet::new();
            for offset in offsets {
                window.finish(offset..offset + 1);
                done.insert(offset);
                assert!((0..80).all(|each| window.is_done(each) == (each < 3 || done.contains(&each))));
                assert_eq!(Window::decode(window.next(), &window.encode()), Some(window.clone()));
            }
            assert_eq!(window, Window::at(60));
        }
    }

    #[test]
    fn two_views_of_one_partition_become_one() {
        let mut one = Window::at(5);
        one.finish(7..9);
        one.finish(12..14);
        let mut other = Window::at(7);
        other.finish(9..10);
        one.merge(&other);
        assert_eq!((one.next(), one.encode().as_str()), (10, "+2:2"));
    }

    #[test]
    fn a_column_that_is_not_ours_is_refused() {
        for column in ["3:4", "+0:1", "+1:0", "+1", "+x:1", "+18446744073709551615:9"] {
            assert_eq!(Window::decode(5, column), None, "{column}");
        }
    }
}
