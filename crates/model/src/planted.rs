//! Faults and crash points that the crash suite plants to see itself turn red.
//!
//! Without the feature `planted-bugs` every function here is a constant, and nothing can be chosen.

#[cfg(feature = "planted-bugs")]
static CHOSEN: std::sync::OnceLock<(String, std::sync::atomic::AtomicU64)> = std::sync::OnceLock::new();

#[cfg(feature = "planted-bugs")]
static AHEAD: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// Chooses the fault of this process: a name, or `crash:<point>:<n>` to end at the n-th pass of a point.
#[cfg(feature = "planted-bugs")]
pub fn choose(fault: &str) {
    CHOSEN.get_or_init(|| (fault.to_owned(), std::sync::atomic::AtomicU64::new(0)));
}

/// Sets the clock of this process ahead by so many seconds: it starts long after the one before it ended, and no suite
/// waits for that.
#[cfg(feature = "planted-bugs")]
pub fn set_ahead(seconds: u64) {
    AHEAD.store(seconds, std::sync::atomic::Ordering::Relaxed);
}

/// How far the clock of this process is ahead.
#[cfg(feature = "planted-bugs")]
pub fn ahead() -> std::time::Duration {
    std::time::Duration::from_secs(AHEAD.load(std::sync::atomic::Ordering::Relaxed))
}

/// Whether the named fault was chosen.
#[cfg(feature = "planted-bugs")]
pub fn is(name: &str) -> bool {
    CHOSEN.get().is_some_and(|(fault, _)| fault == name)
}

/// True for one in `n` calls if the named fault was chosen.
#[cfg(feature = "planted-bugs")]
pub fn one_in(name: &str, n: u64) -> bool {
    CHOSEN.get().is_some_and(|(fault, calls)| {
        fault == name && calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % n == n - 1
    })
}

/// Ends the process without any farewell, as `kill -9` would, if this point's turn has come.
#[cfg(feature = "planted-bugs")]
pub fn crash_point(point: &str) {
    let Some((fault, passes)) = CHOSEN.get() else { return };
    let Some((wanted, turn)) = fault.strip_prefix("crash:").and_then(|rest| rest.rsplit_once(':')) else {
        return;
    };
    if wanted == point && turn.parse() == Ok(passes.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1) {
        std::process::abort();
    }
}

/// How far the clock of this process is ahead: not at all, in this build.
#[cfg(not(feature = "planted-bugs"))]
pub const fn ahead() -> std::time::Duration {
    std::time::Duration::ZERO
}

/// Whether the named fault was chosen: never, in this build.
#[cfg(not(feature = "planted-bugs"))]
pub const fn is(_name: &str) -> bool {
    false
}

/// Whether this call is the one to fail: never, in this build.
#[cfg(not(feature = "planted-bugs"))]
pub const fn one_in(_name: &str, _n: u64) -> bool {
    false
}

/// Nothing, in this build.
#[cfg(not(feature = "planted-bugs"))]
pub const fn crash_point(_point: &str) {}
