//! A broker is killed, or forgotten, and started again under records that are written and read.

use std::time::{Duration, Instant};

use tidings_log::{GroupProtocol, Log, LogError, Start, TopicPartition};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    broker::Broker,
    reading::{LIMIT, Party},
    world::{connect, numbered, pass_over, shared, topic},
};

/// Records that are written while the broker is there, gone and back.
const RECORDS: u64 = 3000;
const PAUSE: Duration = Duration::from_millis(4);

/// Nothing that was acknowledged is lost, the order is kept, and all go on by themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_loses_nothing_and_all_go_on_by_themselves() {
    pass_over!(shared().err());
    let broker = Broker::start().await;
    let log = connect(broker.brokers.clone(), GroupProtocol::Classic).await;
    let topic = topic(&log, 1).await;
    let of = TopicPartition { topic: topic.clone(), partition: 0 };
    let mut party = Party::new(&log, &topic);
    let member = party.come();
    party.seen.until("it owns the partition", |seen| seen.shares().get(&member) == Some(&1)).await;

    let (tasks, over) = (TaskTracker::new(), CancellationToken::new());
    let mut tail = log.tail(of.clone(), Start::Earliest).await.expect("it opens");
    let tailed = tasks.spawn(async move {
        let mut read = Vec::new();
        while u64::try_from(read.len()).is_ok_and(|read| read < RECORDS) {
            let records = tail.next(100).await.expect("a tail goes on by itself");
            read.extend(records.iter().map(|record| {
                String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned()
            }));
        }
        read
    });
    let writer = log.clone();
    let (written_topic, stop) = (topic.clone(), over.clone());
    let written = tasks.spawn(async move {
        let mut acks = Vec::new();
        for number in 0..RECORDS {
            acks.push(writer.enqueue(numbered(&written_topic, 0, number)).expect("there is room"));
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
        let mut places = Vec::new();
        for ack in acks {
            places.push(ack.await.expect("it is written in the end").offset);
        }
        places
    });
    party.seen.until("it reads", |seen| seen.counts().0 > 300).await;
    broker.kill().await;
    let away = Instant::now();
    // Who waits for an answer meanwhile does not learn whether there will be one.
    let asked =
        tokio::time::timeout(Duration::from_secs(15), log.produce(numbered(&topic, 0, 999_999))).await;
    assert!(matches!(asked, Ok(Err(LogError::Unknown { .. }))), "{asked:?}");
    broker.restart().await;
    let back = Instant::now();
    let places = tokio::time::timeout(LIMIT, written).await.expect("all is written").expect("it ends");
    println!("away for {:?}, all acknowledged {:?} after", back - away, back.elapsed());
    let tailed = tokio::time::timeout(LIMIT, tailed).await.expect("all is tailed").expect("it ends");

    assert!(places.is_sorted_by(|one, next| one < next), "the order of the calls is that of the records");
    let records = log.records(of, 0, 10_000).await.expect("it is read");
    let values: Vec<String> = records
        .iter()
        .map(|record| String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned())
        .collect();
    let ours: Vec<&String> = values.iter().filter(|value| *value != "999999").collect();
    let wanted: Vec<String> = (0..RECORDS).map(|number| number.to_string()).collect();
    assert_eq!(ours, wanted.iter().collect::<Vec<_>>(), "each once, in order");
    assert_eq!(&tailed[..], &values[..tailed.len()], "the tail reads what lies there");
    let all = values.len();
    party.seen.until("the member reads all", |seen| seen.counts().0 == all).await;
    println!(
        "the member goes on {:?} after the broker's start; {:?} places and repeats",
        back.elapsed(),
        party.seen.counts()
    );
    over.cancel();
    tasks.close();
    tasks.wait().await;
    party.end().await;
}

/// A broker that its controller does not count, as after a long pause, says that there are none: clients forget the
/// last one, and must ask those of the settings again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_told_of_no_brokers_goes_on_when_one_is_back() {
    pass_over!(shared().err());
    let broker = Broker::start().await;
    let log = connect(broker.brokers.clone(), GroupProtocol::Classic).await;
    let topic = topic(&log, 1).await;
    let of = TopicPartition { topic: topic.clone(), partition: 0 };
    let mut party = Party::new(&log, &topic);
    party.come();
    let mut tail = log.tail(of.clone(), Start::Earliest).await.expect("it opens");
    log.produce(numbered(&topic, 0, 1)).await.expect("it is written");
    tail.next(1).await.expect("it is read");
    party.seen.until("it reads", |seen| seen.counts().0 == 1).await;

    broker.forget().await;
    // All of them ask who leads the partition now; this one until its patience ends.
    let asked = log.produce(numbered(&topic, 0, 2)).await;
    assert!(matches!(asked, Err(LogError::Unknown { .. })), "{asked:?}");
    broker.kill().await;
    broker.restart().await;

    let back = Instant::now();
    tokio::time::timeout(LIMIT, async {
        while log.produce(numbered(&topic, 0, 3)).await.is_err() {}
        while tail.position() < 2 {
            tail.next(10).await.expect("a tail goes on by itself");
        }
        // Whoever asks questions goes on too.
        while log.topics().await.is_err() {}
    })
    .await
    .expect("all go on");
    party.seen.until("the member reads on", |seen| seen.counts().0 >= 2).await;
    println!("all go on {:?} after the broker's start", back.elapsed());
    party.end().await;
}
