//! The verdict over a history, and what makes a run honest: one that did not hurt proves nothing.

use std::fmt;

use super::{Rule, Violation};

/// Whose the numbers of a key are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// Its sender's: who is not meant misses some.
    Senders,
    /// The server's, from 1 without holes: who sees the key sees all of them.
    Servers,
}

/// What makes a run honest, and what it may do.
#[derive(Clone, Copy, Debug)]
pub struct Demands {
    /// Faults that were injected, at least.
    pub faults: u64,
    /// Acknowledged messages, at least.
    pub acknowledged: usize,
    /// Times that devices came back, at least.
    pub reconnects: u64,
    /// Whether a device that was told of a gap may miss what lies before.
    pub gaps_allowed: bool,
    /// Whether a device may get a frame twice on the wire: one that is cut in the middle of a catch-up does.
    pub repeats_allowed: bool,
    /// Whether streams may end by others than their devices.
    pub cuts_allowed: bool,
    /// Times that a part was away and came back, at least.
    pub away: u64,
    /// Questions that were asked while it was, at least.
    pub asked: u64,
    /// Whose the numbers of a key are.
    pub numbers: Numbers,
    /// Times that somebody was told how far others came, at least.
    pub standings: usize,
}

impl Demands {
    /// The demands on a run that is to prove something.
    pub const HONEST: Self = Self {
        faults: 3,
        acknowledged: 1000,
        reconnects: 1,
        gaps_allowed: false,
        repeats_allowed: true,
        cuts_allowed: true,
        away: 0,
        asked: 0,
        numbers: Numbers::Senders,
        standings: 0,
    };
}

/// What a history adds up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that were tried.
    pub sent: usize,
    /// Of these, acknowledged.
    pub acknowledged: usize,
    /// Of these, refused.
    pub refused: usize,
    /// What devices showed.
    pub visible: usize,
    /// Raw frames that repeated an earlier one.
    pub repeats: u64,
    /// Devices.
    pub devices: usize,
    /// Times that devices came back.
    pub reconnects: u64,
    /// Faults.
    pub faults: u64,
    /// Devices that were told of a gap.
    pub gaps: usize,
    /// Times that somebody was told how far others came.
    pub standings: usize,
    /// Questions that were asked while a part was away.
    pub asked: u64,
    /// The slowest answer to one of them, in milliseconds.
    pub slowest_answer: u64,
    /// Times that a part came back.
    pub back: u64,
    /// The slowest recovery, in milliseconds.
    pub slowest_recovery: u64,
}

/// The verdict over a history.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// What was broken; empty if the promise was kept.
    pub violations: Vec<Violation>,
    /// Why the run proves nothing; empty if it does.
    pub void: Vec<String>,
    /// What it adds up to.
    pub tally: Tally,
}

impl Judgement {
    /// Whether the promise was kept in a run that proves it.
    pub fn holds(&self) -> bool {
        self.violations.is_empty() && self.void.is_empty()
    }

    /// Whether a rule was broken.
    pub fn breaks(&self, rule: Rule) -> bool {
        self.violations.iter().any(|violation| violation.rule == rule)
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.tally)?;
        for reason in &self.void {
            writeln!(f, "VOID {reason}")?;
        }
        for violation in self.violations.iter().take(30) {
            writeln!(f, "VIOLATION {violation}")?;
        }
        write!(f, "{} violations", self.violations.len())
    }
}

/// Why a run proves nothing.
pub(super) fn void(tally: &Tally, demands: &Demands) -> Vec<String> {
    let mut void = Vec::new();
    if tally.faults < demands.faults {
        void.push(format!("{} faults, at least {} are needed", tally.faults, demands.faults));
    }
    if tally.acknowledged < demands.acknowledged {
        let (found, needed) = (tally.acknowledged, demands.acknowledged);
        void.push(format!("{found} acknowledged messages, at least {needed} are needed"));
    }
    if tally.reconnects < demands.reconnects {
        void.push(format!("{} reconnects, at least {} are needed", tally.reconnects, demands.reconnects));
    }
    if tally.back < demands.away || tally.asked < demands.asked {
        let (asked, back) = (tally.asked, tally.back);
        void.push(format!(
            "{asked} questions and {back} returns, at least {} and {} are needed",
            demands.asked, demands.away
        ));
    }
    if tally.standings < demands.standings {
        let (found, needed) = (tally.standings, demands.standings);
        void.push(format!(
            "{found} times somebody was told how far others came, at least {needed} are needed"
        ));
    }
    if tally.devices == 0 {
        void.push("no device listened".to_owned());
    }
    void
}
