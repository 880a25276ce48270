//! A seeded simulator: whole worlds of relays, log, projection, two nodes, people and their devices, in one thread
//! each, with fourteen adversaries; every promise is judged by what the driver knows.
//!
//! `TIDINGS_SIM_SEEDS=100000` runs more worlds; `TIDINGS_SIM_SEED=7` replays one and prints what happened in it, with
//! `TIDINGS_SIM_ONLY=12` beside it the world in which that adversary (from 0) is alone.

#![expect(clippy::unwrap_used, reason = "the whole binary is a test: what cannot be may panic")]

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
        match number_from("TIDINGS_SIM_ONLY").and_then(|only| Adversary::ALL.get(usize::try_from(only).ok()?))
        {
            Some(only) => println!("{}", replay(seed, |_rng| Adversaries::only(*only), usize::MAX)),
            None => println!("{}", replay(seed, Adversaries::some, usize::MAX)),
        }
        return;
    }
    let seeds = number_from("TIDINGS_SIM_SEEDS").unwrap_or(SEEDS);
    let started = std::time::Instant::now();
    let reached = match run(seeds) {
        Ok(reached) => reached,
        Err(seed) => panic!("{}", replay(seed, Adversaries::some, 60)),
    };
    let took = started.elapsed();
    let a_second = u128::from(seeds) * 1_000 / took.as_millis().max(1);
    println!("{seeds} worlds in {took:.1?}, {a_second} a second");
    for adversary in Adversary::ALL {
        let times = reached.of(adversary);
        println!("{adversary:?} came about {times} times");
        assert!(times * 1_000 >= seeds * LEAST_PER_THOUSAND, "{adversary:?} came about {times} times only");
    }
}

/// Each adversary alone, with the mistake that it must find; the seeds are tried until one turns red.
#[cfg(feature = "planted-bugs")]
#[test]
fn each_planted_bug_turns_its_adversary_red() {
    use tidings_delivery_core::planted::{Bug, choose};

    /// A mistake that hides in so many worlds of its adversary is not found well enough.
    const WITHIN: u64 = 500;
    let planted = [
        (Adversary::RelayRepeat, Bug::RepeatAccepted),
        (Adversary::ZombieRelay, Bug::ZombieAccepted),
        (Adversary::LateWrite, Bug::HoleIgnored),
        (Adversary::ProjectionLag, Bug::ProjectionTakenForComplete),
        (Adversary::ColdWindow, Bug::ColdWindowTakenForEmpty),
        (Adversary::LateJoin, Bug::MembershipJudgedAtHead),
        (Adversary::Mute, Bug::WithheldConfirmed),
        (Adversary::QuietHours, Bug::OvernightForgotten),
        (Adversary::Narrowing, Bug::NarrowingForgotten),
        (Adversary::Digest, Bug::DigestConfirmed),
        (Adversary::Redrive, Bug::RedriveNotLate),
        (Adversary::CancelDuringCatchUp, Bug::CancelledSentFromMemory),
        (Adversary::DatabaseCopiedBack, Bug::GenerationForgotten),
        (Adversary::TwoDevices, Bug::EveryReceiptCounted),
    ];
    std::panic::set_hook(Box::new(|_panic| {}));
    let mut red = 0;
    for (adversary, bug) in planted {
        let only = |_rng: &mut fastrand::Rng| Adversaries::only(adversary);
        choose(None);
        let sound = (0..WITHIN).find(|seed| live(*seed, only, false).1.is_err());
        choose(Some(bug));
        let found = (0..WITHIN).find_map(|seed| Some((seed, live(seed, only, false).1.err()?)));
        choose(None);
        match (&sound, &found) {
            (None, Some((seed, broken))) => {
                red += 1;
                println!("red   {adversary:?} finds {bug:?} at seed {seed}: {broken}");
            }
            (Some(seed), _) => println!("FALSE {adversary:?} is red at seed {seed} without a mistake"),
            (None, None) => println!("GREEN {adversary:?} does not find {bug:?} in {WITHIN} worlds"),
        }
    }
    drop(std::panic::take_hook());
    println!("{red} of {} red", planted.len());
    assert_eq!(red, planted.len());
}
