//! Faults and crash points that the crash suite plants to see itself turn red.
//!
//! Without the feature `planted-bugs` every function here is a constant, and nothing can be chosen.

#[cfg(feature = "planted-bugs")]
static CHOSEN: std::sync::OnceLock<(String, std::sync::atomic::AtomicU64)> = std::sync::OnceLock::new();

/// Chooses the fault of this process: a name, or `crash:<point>:<n>` to end at the n-th pass of a point.
#[cfg(feature = "planted-bugs")]
pub fn choose(fault: &str) {
    CHOSEN.get_or_init(|| (fault.to_owned(), std::sync::atomic::AtomicU64::new(0)));
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
