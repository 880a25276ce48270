//! How fast a process brought records from one place to another, and what that cost it.

use std::process::Command;

use crate::{Failure, process::Process};

/// What a reader or a sender did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// Records a second.
    pub(crate) per_second: f64,
    /// Processor time of a record, in microseconds.
    pub(crate) micros: f64,
}

impl Rate {
    /// Starts a process that tells how many seconds it took for so many records.
    pub(crate) fn of(command: &mut Command, records: usize) -> Result<Self, Failure> {
        let (process, told) = Process::telling(command)?;
        let seconds: f64 = told.trim().parse().map_err(|_cause| format!("{command:?} said {told:?}"))?;
        let records = f64::from(u32::try_from(records)?);
        Ok(Self { per_second: records / seconds, micros: process.cpu()?.as_secs_f64() * 1e6 / records })
    }

    /// The one in the middle, by records a second.
    pub(crate) fn median(mut rates: Vec<Self>) -> Result<Self, Failure> {
        rates.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
        rates.get(rates.len() / 2).copied().ok_or_else(|| "nothing was measured".into())
    }
}
