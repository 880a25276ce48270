//! `torture [MINUTES]`: tortures a fleet and says what became of the promise. It ends with 1 if a promise was broken,
//! with 2 if the run was too small to prove what it should.

use std::{process::ExitCode, time::Duration};

use tidings_tests_crash::{parts::Brokers, run::say, settings::Settings, torture::Torture};

/// Minutes, where nobody says how many.
const MINUTES: u64 = 60;
/// Messages a second, where nobody says how many.
const RATE: u32 = 150;

fn main() -> ExitCode {
    let minutes = match std::env::args().nth(1).map(|minutes| minutes.parse()) {
        None => MINUTES,
        Some(Ok(minutes)) => minutes,
        Some(Err(_)) => {
            say("torture: say for how many minutes, as a whole number");
            return ExitCode::from(64);
        }
    };
    let torture = Torture {
        length: Duration::from_mins(minutes),
        rate: Settings::read().rate_or(RATE),
        brokers: Brokers::ProxiedThree,
    };
    let runtime = tokio::runtime::Runtime::new().expect("there are threads");
    let verdict = runtime.block_on(torture.run());
    say(&verdict.to_string());
    if !verdict.violations.is_empty() {
        return ExitCode::from(1);
    }
    ExitCode::from(if verdict.short.is_empty() { 0 } else { 2 })
}
