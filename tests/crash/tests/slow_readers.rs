//! Slow readers: fifty streams that nobody reads, beside two hundred that somebody does. The fifty are closed and
//! their memory comes back; the others lose nothing and wait no longer than before.

use std::time::{Duration, Instant};

use tidings_tests_crash::{
    device::Habits,
    field::Field,
    judge::Demands,
    load::Shape,
    people::Target,
    run::{Run, say},
    server::Server,
    stalled::Stalled,
    talk::About,
};

/// Streams that nobody reads.
const STALLED: usize = 50;
/// One hundred people with two devices each, and messages that fill a socket's buffer soon.
const SHAPE: Shape = Shape {
    people: 100,
    devices: 2,
    rate: 6,
    senders: 2,
    habits: |_every| Habits::CALM,
    padding: 8 << 10,
    about: About::Broadcasts(Target::choose),
};
/// Messages of the phase that the other one is compared with.
const BASELINE: usize = 60;
/// How soon the server must take them.
const TAKEN: Duration = Duration::from_mins(1);
/// How soon every stalled stream must be gone: a queue fills, or a write does not move for ten seconds; what the
/// kernel holds behind a closed window it forgets after twenty more.
const CLOSED: Duration = Duration::from_mins(1);
/// How soon memory must be back once they are gone.
const BACK: Duration = Duration::from_secs(20);
/// Memory that may stay, beside a fifth of what there was: the window and the database's pages, which have limits of
/// their own, fill while the run goes on. What fifty full queues hold is more.
const MEMORY_SLACK: u64 = 32 << 20;
/// How much longer than twice the baseline the slowest hundredth may take, for the noise of a shared machine. Who had
/// to wait for a stalled reader would wait ten seconds.
const WAIT_SLACK: Duration = Duration::from_secs(1);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// What the slowest hundredth of all sights since the last call took at least.
fn slowest_hundredth(field: &Field) -> Duration {
    let mut latencies = field.take_latencies();
    latencies.sort_unstable();
    latencies.get(latencies.len() * 99 / 100).copied().unwrap_or_default()
}

/// Waits until the server holds none of these streams any more, at most `CLOSED`; the most memory it held meanwhile.
async fn closed(server: &Server, stalled: &[Stalled]) -> Option<(Duration, u64)> {
    let (started, mut most) = (Instant::now(), 0);
    while started.elapsed() < CLOSED {
        most = most.max(server.resident_bytes().expect("the process can be looked at"));
        let peers = server.peers().expect("the kernel's table can be read");
        let holds = |stream: &Stalled| stream.address().is_ok_and(|address| peers.contains(&address));
        if !stalled.iter().any(holds) {
            return Some((started.elapsed(), most));
        }
        tokio::time::sleep(LOOK).await;
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute; scripts/crash runs it"]
async fn readers_that_stop_reading_are_closed_and_harm_nobody() {
    let mut run = Run::new("slow-readers", &[]);
    run.start(None).await;
    let mut load = run.load(SHAPE).await;
    load.send();
    assert!(load.acknowledges(BASELINE, TAKEN).await);
    let before = slowest_hundredth(load.field());
    let memory = run.server.resident_bytes().expect("the process can be looked at");

    let mut stalled = Vec::new();
    for person in load.field().people.iter().take(STALLED) {
        load.fault(format!("a stalled reader of {}", person.id));
        stalled.push(Stalled::open(run.server.address(), person).await.expect("the stream opens"));
    }
    let (took, most) = closed(&run.server, &stalled).await.expect("the stalled readers are closed");
    let beside = slowest_hundredth(load.field());
    let started = Instant::now();
    let allowed = memory + memory / 5 + MEMORY_SLACK;
    let mut after = most;
    while after > allowed && started.elapsed() < BACK {
        tokio::time::sleep(LOOK).await;
        after = run.server.resident_bytes().expect("the process can be looked at");
    }
    say(&format!(
        "slow-readers: closed after {} ms; memory {} MiB, at most {} MiB, {} MiB after; slowest hundredth {} ms, {} ms beside them",
        took.as_millis(),
        memory >> 20,
        most >> 20,
        after >> 20,
        before.as_millis(),
        beside.as_millis()
    ));
    let demands =
        Demands { faults: STALLED as u64, acknowledged: 2 * BASELINE, reconnects: 0, ..Demands::HONEST };
    assert!(load.acknowledges(demands.acknowledged, TAKEN).await);
    let judgement = run.judge(&mut load, &demands).await;
    assert!(judgement.holds(), "{judgement}");
    assert_eq!(judgement.tally.reconnects, 0, "only the stalled ones are cut");
    assert!(after <= allowed, "{after} bytes are held, at most {allowed} may be");
    assert!(beside <= 2 * before + WAIT_SLACK, "{beside:?} beside stalled readers, {before:?} without");
}
