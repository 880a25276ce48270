//! The machine a run was made on: no figure means anything without it.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use tidings_model::{Clock as _, SystemClock};

use crate::Failure;

/// Where and when a run was made.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// When it began, UTC.
    pub(crate) date: String,
    /// The processor's name.
    pub(crate) cpu: String,
    /// Processors that the run may use.
    pub(crate) cores: usize,
    /// Memory, in GiB.
    pub(crate) memory_gib: u64,
    /// Name and release of the kernel.
    pub(crate) kernel: String,
    /// Load averages of 1, 5 and 15 minutes before the run: others' work spoils a figure.
    pub(crate) load: String,
}

impl Machine {
    /// This machine, now.
    pub(crate) fn now() -> Self {
        let field = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned));
            line.unwrap_or_default().trim_start_matches(['\t', ' ', ':']).to_owned()
        };
        let kibibytes = field("/proc/meminfo", "MemTotal:");
        let name = rustix::system::uname();
        Self {
            date: SystemClock.now().to_string(),
            cpu: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_gib: kibibytes.trim_end_matches(" kB").parse::<u64>().unwrap_or(0) >> 20,
            kernel: format!("{} {}", name.sysname().to_string_lossy(), name.release().to_string_lossy()),
            load: load(),
        }
    }
}

/// Load averages of 1, 5 and 15 minutes.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// Lets this process, and those that it starts, open as many files as the machine allows.
pub(crate) fn open_all_files() -> Result<(), Failure> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    Ok(())
}
