//! What may be asked of a process: by each caller, as the settings say, and as the machine allows, in memory and open
//! files.

use std::sync::Arc;

use tidings_api::{RateLimits, Rates};
use tidings_config::LimitsConfig;
use tidings_model::Clock;

/// The share of the machine's memory that may wait in queues.
const QUEUE_SHARE: usize = 4;

/// The rates of the settings.
pub(crate) fn rates(limits: &LimitsConfig, clock: &Arc<dyn Clock>) -> Arc<Rates> {
    let limits = RateLimits {
        requests_per_second: limits.requests_per_second,
        key_requests_per_second: limits.key_requests_per_second,
        broadcasts_per_minute: limits.broadcasts_per_minute,
        key_broadcasts_per_minute: limits.key_broadcasts_per_minute,
    };
    Arc::new(Rates::new(limits, Arc::clone(clock)))
}

/// Bytes that may wait in all queues: as configured, or a quarter of the memory if that is less.
pub(crate) fn queue_bytes(configured: usize) -> usize {
    let kibibytes = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim();
        line.trim_end_matches(" kB").parse::<usize>().ok()
    });
    kibibytes.map_or(configured, |kibibytes| configured.min(kibibytes.saturating_mul(1024) / QUEUE_SHARE))
}

/// Connections that may be open: four of five files that the process may open; the rest is for its own.
pub(crate) fn connections() -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    files.and_then(|files| usize::try_from(files / 5 * 4).ok()).unwrap_or(usize::MAX)
}
