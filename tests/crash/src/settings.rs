//! What a run can be told from outside: the one place where the suites read their environment.
//!
//! | variable | means | default |
//! |---|---|---|
//! | `TIDINGS_CRASH_SEED` | chooses audiences, pauses, cuts, moments of death | random; every run prints its own |
//! | `TIDINGS_CRASH_LONG` | `1`: the long form, several times the kills and rounds | short |
//! | `TIDINGS_CRASH_RATE` | messages a second | 200 |
//! | `TIDINGS_CRASH_BINARY` | a `tidings` with the feature `planted-bugs` | built by the first suite |
//! | `TIDINGS_CRASH_KEEP` | a folder that keeps each run's history and server log | thrown away |

use std::path::PathBuf;

/// What a run was told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Chooses everything that chance chooses.
    pub seed: u64,
    /// The long form.
    pub long: bool,
    /// Messages a second.
    pub rate: u32,
    asked_rate: Option<u32>,
    /// A binary that is built already.
    pub binary: Option<PathBuf>,
    /// Where histories and logs stay.
    pub keep: Option<PathBuf>,
}

/// Messages a second, where nobody says how many.
const RATE: u32 = 200;

impl Settings {
    /// Reads the environment.
    pub fn read() -> Self {
        let value = |name: &str| std::env::vars().find_map(|(known, value)| (known == name).then_some(value));
        let asked_rate = value("TIDINGS_CRASH_RATE").and_then(|rate| rate.parse().ok());
        Self {
            seed: value("TIDINGS_CRASH_SEED")
                .and_then(|seed| seed.parse().ok())
                .unwrap_or_else(|| fastrand::u64(..)),
            long: value("TIDINGS_CRASH_LONG").is_some_and(|long| long == "1"),
            rate: asked_rate.unwrap_or(RATE),
            asked_rate,
            binary: value("TIDINGS_CRASH_BINARY").map(PathBuf::from),
            keep: value("TIDINGS_CRASH_KEEP").map(PathBuf::from),
        }
    }

    /// Messages a second, of a suite that has its own word for "not said".
    pub fn rate_or(&self, rate: u32) -> u32 {
        self.asked_rate.unwrap_or(rate)
    }
}
