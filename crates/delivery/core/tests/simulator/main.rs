//! A seeded simulator: whole worlds of relays, log, projection, two nodes, people and their devices, in one thread
//! each, with fourteen adversaries; every promise is judged by what the driver knows.
//!
//! `TIDINGS_SIM_SEEDS=100000` runs more worlds; `TIDINGS_SIM_SEED=7` replays one and prints what happened in it.

mod actions;
mod adversaries;
mod client;
mod connecting;
mod invariants;
mod log;
mod node;
mod receiving;
mod store;
mod truth;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use adversaries::{Adversaries, Adversary, Reached};
use world::World;

/// How many worlds an ordinary test run has.
const SEEDS: u64 = 10_000;
/// How often each adversary's situation must come about in a thousand worlds.
const LEAST_PER_THOUSAND: u64 = 5;

#[expect(clippy::disallowed_methods, reason = "a test binary has no configuration but its environment")]
fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// One world; the promise that it broke, if any, and what came about in it.
fn live(
    seed: u64,
    on: impl Fn(&mut fastrand::Rng) -> Adversaries,
    traced: bool,
) -> (World, Result<(), String>) {
    let mut world = World::new(seed, on, traced);
    let lived = catch_unwind(AssertUnwindSafe(|| world.live()));
    let result = lived.unwrap_or_else(|_panic| Err("the code under test panicked".to_owned()));
    (world, result)
}

fn replay(seed: u64, on: impl Fn(&mut fastrand::Rng) -> Adversaries, lines: usize) -> String {
    let (world, result) = live(seed, on, true);
    let trace = world.trace.unwrap_or_default();
    let skipped = trace.len().saturating_sub(lines);
    format!(
        "seed {seed}, {:?}, last {lines} of {} lines:\n{}\n=> {result:?}",
        world.on,
        trace.len(),
        trace[skipped..].join("\n")
    )
}

/// Runs the seeds on all cores; stops at the first that breaks a promise.
fn run(seeds: u64) -> Result<Reached, u64> {
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let workers: Vec<_> = (0..threads)
        .map(|first| {
            std::thread::spawn(move || {
                let mut reached = Reached::default();
                for seed in (first..seeds).step_by(usize::try_from(threads).unwrap()) {
                    let (world, result) = live(seed, Adversaries::some, false);
                    if result.is_err() {
                        return Err(seed);
                    }
                    reached.add(&world.reached);
                }
                Ok(reached)
            })
        })
        .collect();
    let mut sum = Reached::default();
    for worker in workers {
        sum.add(&worker.join().unwrap()?);
    }
    Ok(sum)
}

#[test]
fn whole_worlds_keep_their_promises_whatever_the_adversaries_do() {
    if let Some(seed) = number_from("TIDINGS_SIM_SEED") {
        println!("{}", replay(seed, Adversaries::some, usize::MAX));
    }
    let seeds = number_from("TIDINGS_SIM_SEEDS").unwrap_or(SEEDS);
    let started = std::time::Instant::now();
    let reached = match run(seeds) {
        Ok(reached) => reached,
        Err(seed) => panic!("{}", replay(seed, Adversaries::some, 60)),
    };
    let took = started.elapsed();
    println!("{seeds} worlds in {took:.1?}, {:.0} a second", seeds as f64 / took.as_secs_f64());
    for adversary in Adversary::ALL {
        let times = reached.of(adversary);
        println!("{adversary:?} came about {times} times");
        assert!(times * 1_000 >= seeds * LEAST_PER_THOUSAND, "{adversary:?} came about {times} times only");
    }
}
