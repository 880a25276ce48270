//! Poison on every topic that the server reads: each is one dead letter, and everybody else's messages flow meanwhile.

use std::time::Duration;

use tidings_tests_crash::{
    fleet::Fleet,
    judge::Demands,
    kcat::{self, Written},
    load::{Load, Shape},
    parts::Brokers,
    poison::{self, Poison, TAILED, TOPICS},
    run::say,
    statistics,
};

/// Messages a second, beside the poison.
const RATE: u32 = 30;
/// How soon each must be a dead letter: six attempts take half a minute, and a server starts in between.
const DEAD: Duration = Duration::from_mins(2);
/// How long any other message may take to be seen while poison is digested, with the server's restart in between.
const OTHERS: Duration = Duration::from_secs(30);
/// Messages that are taken between two doses.
const BETWEEN: usize = 100;

/// Writes one of each kind to each topic.
fn dose(fleet: &Fleet, load: &Load, tag: &str) -> Vec<Poison> {
    let brokers = fleet.parts.brokers();
    let all: Vec<Poison> = TOPICS.iter().flat_map(|topic| poison::poisons(topic, tag)).collect();
    for poison in &all {
        load.fault(format!("poison: {}", poison.name));
        poison.write(brokers);
    }
    // Who tails has no dead letters: it passes over what it cannot read.
    for poison in poison::poisons(TAILED, tag) {
        load.fault(format!("poison: {}", poison.name));
        poison.write(brokers);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and more; scripts/crash runs it"]
async fn poison_of_each_kind_on_each_topic_is_one_dead_letter_and_delays_nobody() {
    let mut fleet = Fleet::start("poison", Brokers::One, 1).await;
    let desk = fleet.run.server.desk();
    let mut load = fleet.load(Shape::restless(RATE)).await;
    fleet.calm(&load, BETWEEN).await;
    load.field().take_latencies();

    let mut written = dose(&fleet, &load, "first");
    fleet.calm(&load, BETWEEN).await;
    desk.letters_when(DEAD, |letters| poison::all_are_dead(&written, letters)).await;
    // Again, and the server is killed while it digests.
    written.extend(dose(&fleet, &load, "second"));
    fleet.kill_node(&load, 0).await;
    fleet.calm(&load, BETWEEN).await;
    let letters = desk.letters_when(DEAD, |letters| poison::all_are_dead(&written, letters)).await;

    let judgement = fleet.judge(&mut load, &Demands::HONEST).await;
    let slowest = load.field().take_latencies().into_iter().max().unwrap_or_default();
    say(&format!("poison: {} dead letters; the slowest other message took {slowest:?}", letters.len()));
    assert!(judgement.holds(), "{judgement}");
    assert_eq!(poison::wrong_letters(&written, &letters), Vec::<String>::new());
    assert_eq!(poison::wrong_records(fleet.parts.brokers(), &written), Vec::<String>::new());
    assert!(slowest < OTHERS, "{slowest:?}");
    let wrong = statistics::wrong_counts(load.field(), 200).await;
    assert_eq!(wrong, Vec::<String>::new());
}

/// How long nothing is sent after a forged number: longer than readers wait for a missing one.
const QUIET: Duration = Duration::from_secs(35);

/// Some messages, judged; the load ends.
async fn some(fleet: &Fleet, name: &str) {
    let mut load = fleet.run.load_named(name, Shape::restless(RATE)).await;
    load.send();
    fleet.calm(&load, 3 * BETWEEN).await;
    load.settle().await;
    let demands = Demands { faults: 0, acknowledged: 3 * BETWEEN, ..Demands::HONEST };
    let judgement = load.judge(&demands).expect("the history can be read");
    assert!(judgement.holds(), "{name}: {judgement}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute and more; scripts/crash runs it"]
async fn a_number_that_no_relay_gave_stops_nobody() {
    let fleet = Fleet::start("forged", Brokers::One, 1).await;
    some(&fleet, "before").await;
    for topic in TOPICS {
        for (at, _) in kcat::partitions(fleet.parts.brokers(), topic).iter().enumerate() {
            let record = Written {
                key: format!("forged-{at}").into_bytes(),
                value: Some(b"{}".to_vec()),
                headers: vec![(b"tidings-seq".to_vec(), b"4000000000".to_vec())],
            };
            kcat::write(fleet.parts.brokers(), topic, &record);
        }
    }
    tokio::time::sleep(QUIET).await;
    some(&fleet, "after").await;
    let letters = fleet.run.server.desk().letters_when(DEAD, |letters| !letters.is_empty()).await;
    assert!(!letters.is_empty(), "what bears the number is handled as if it bore none");
}
