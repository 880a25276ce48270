//! Torture: a fleet of two nodes and three brokers, every fault there is in a random mix, for as long as one likes.
//!
//! It goes in rounds of a few minutes, each judged as a whole: what was acknowledged in a round is demanded before the
//! next begins. The fleet lives through all of them.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinSet, time::Instant};

use crate::{
    fault::Fault,
    fleet::Fleet,
    judge::Demands,
    load::{Load, Shape},
    parts::Brokers,
    poison::{self, Poison},
    run::say,
};

/// How long a round is.
const ROUND: Duration = Duration::from_mins(5);
/// Between two words about how far it is.
const SAID: Duration = Duration::from_secs(30);
/// The least and the most milliseconds between two faults.
const BETWEEN: (u64, u64) = (5_000, 20_000);
/// Messages that must be taken after a fault before the next one.
const CALM: usize = 100;
/// How soon.
const TAKEN: Duration = Duration::from_mins(2);
/// How soon poison must be a dead letter.
const DEAD: Duration = Duration::from_mins(2);
/// What an hour is to reach.
const GOAL: (u64, u64) = (300_000, 100);

/// What a torture is told.
#[derive(Clone, Copy, Debug)]
pub struct Torture {
    /// How long it goes on.
    pub length: Duration,
    /// Messages a second.
    pub rate: u32,
    /// The brokers.
    pub brokers: Brokers,
}

/// What it came to.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Messages that were taken.
    pub acknowledged: u64,
    /// Faults that happened.
    pub faults: u64,
    /// What devices showed.
    pub visible: usize,
    /// How long faults and load went on, without the judging.
    pub length: Duration,
    /// What was broken.
    pub violations: Vec<String>,
    /// Why it proves less than it should.
    pub short: Vec<String>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for violation in self.violations.iter().take(30) {
            writeln!(f, "VIOLATION {violation}")?;
        }
        for short in &self.short {
            writeln!(f, "SHORT {short}")?;
        }
        let Self { acknowledged, faults, visible, length, violations, short: _ } = self;
        write!(
            f,
            "{acknowledged} acknowledged, {faults} faults, {visible} sights in {} s; {} violations",
            length.as_secs(),
            violations.len()
        )
    }
}

/// How far it is, for whoever waits.
#[derive(Debug, Default)]
struct Far {
    acknowledged: AtomicU64,
    faults: AtomicU64,
    violations: AtomicUsize,
    judged: AtomicU64,
}

impl Torture {
    /// Tortures a fleet of its own until the time is over.
    pub async fn run(self) -> Verdict {
        let mut fleet = Fleet::start("torture", self.brokers, 2).await;
        let (far, mut verdict) = (Arc::new(Far::default()), Verdict::default());
        let mut telling = JoinSet::new();
        telling.spawn(tell(Arc::clone(&far)));
        let until = Instant::now() + self.length;
        while Instant::now() < until && verdict.violations.is_empty() {
            self.round(&mut fleet, until, &far, &mut verdict).await;
        }
        verdict.length = self.length;
        let share = |of: u64| of * self.length.as_secs() / 3600;
        for (what, had, wanted) in
            [("acknowledged", verdict.acknowledged, share(GOAL.0)), ("faults", verdict.faults, share(GOAL.1))]
        {
            if had < wanted {
                verdict.short.push(format!("{had} {what}, {wanted} were the goal"));
            }
        }
        fleet.run.keep();
        verdict
    }

    async fn round(&self, fleet: &mut Fleet, until: Instant, far: &Far, verdict: &mut Verdict) {
        let number = far.judged.load(Ordering::Relaxed);
        let shape = Shape { people: 10, senders: 60, ..Shape::restless(self.rate) };
        let mut load = match fleet.run.try_load_named(&format!("round-{number}"), shape).await {
            Ok(load) => load,
            Err(cause) => {
                verdict.violations.push(format!("round {number} does not open: {cause}"));
                return;
            }
        };
        load.send();
        let ends = until.min(Instant::now() + ROUND);
        let (mut poisons, mut faults) = (Vec::new(), 0);
        let before = verdict.acknowledged;
        let count = |load: &Load| {
            let taken = u64::try_from(load.field().acknowledged_count()).unwrap_or(u64::MAX);
            far.acknowledged.store(before + taken, Ordering::Relaxed);
        };
        while Instant::now() < ends {
            let pause = Duration::from_millis(fleet.run.random.u64(BETWEEN.0..BETWEEN.1));
            let due = ends.min(Instant::now() + pause);
            while Instant::now() < due {
                count(&load);
                tokio::time::sleep_until(due.min(Instant::now() + Duration::from_secs(1))).await;
            }
            let fault = Fault::choose(&mut fleet.run.random);
            say(&format!("         {fault:?}"));
            poisons.extend(fault.happen(fleet, &load).await);
            faults += 1;
            far.faults.fetch_add(1, Ordering::Relaxed);
            count(&load);
            if !load.acknowledges(load.field().acknowledged_count() + CALM, TAKEN).await {
                verdict
                    .violations
                    .push(format!("{CALM} messages were not taken within {TAKEN:?} after {fault:?}"));
                break;
            }
        }
        load.settle().await;
        let demands = Demands { faults, acknowledged: 1, ..Demands::HONEST };
        let judgement = load.judge(&demands).expect("the history can be read");
        verdict.acknowledged += u64::try_from(judgement.tally.acknowledged).unwrap_or(u64::MAX);
        verdict.faults += faults;
        verdict.visible += judgement.tally.visible;
        verdict.violations.extend(judgement.violations.iter().map(ToString::to_string));
        verdict.short.extend(judgement.void);
        verdict.violations.extend(self.dead_letters(fleet, &poisons).await);
        count(&load);
        far.judged.fetch_add(1, Ordering::Relaxed);
        far.violations.store(verdict.violations.len(), Ordering::Relaxed);
        if verdict.violations.is_empty() {
            // A history that proved nothing wrong is not read again; the next ones need the place.
            load.field().history.forget().expect("the history can be removed");
        }
    }

    /// What is wrong with the dead letters of a round; forgets them.
    async fn dead_letters(&self, fleet: &Fleet, poisons: &[Poison]) -> Vec<String> {
        let desk = fleet.run.server.desk();
        let letters = desk.letters_when(DEAD, |letters| poison::all_are_dead(poisons, letters)).await;
        let mut wrong = poison::wrong_letters(poisons, &letters);
        if !desk.purge_all().await {
            wrong.push("dead letters could not be purged".to_owned());
        }
        wrong
    }
}

/// Says each half minute how far it is.
async fn tell(far: Arc<Far>) {
    let began = Instant::now();
    loop {
        tokio::time::sleep(SAID).await;
        let seconds = began.elapsed().as_secs().max(1);
        let acknowledged = far.acknowledged.load(Ordering::Relaxed);
        say(&format!(
            "{:>5} s: {acknowledged} acknowledged ({}/s), {} faults, {} violations in {} judged rounds",
            seconds,
            acknowledged / seconds,
            far.faults.load(Ordering::Relaxed),
            far.violations.load(Ordering::Relaxed),
            far.judged.load(Ordering::Relaxed),
        ));
    }
}
