//! `dead-letters --brokers`: the dead letter topics of any cluster, without a server.

use serde_json::{Value, json};
use tidings_log::{Log as _, Produce, TopicPartition};
use tidings_model::{Headers, Record};

use crate::{
    kafka::{MISSING, brokers, log, make, unique, wait_for},
    running::{Ended, Folder},
};

/// A topic with a dead letter topic in which three lie: one with Spring's headers, one that loops, one that says
/// nothing about itself.
struct World {
    folder: Folder,
    brokers: String,
    topic: String,
}

impl World {
    fn new() -> Option<Self> {
        let brokers = brokers()?;
        let folder = Folder::new();
        let topic = unique(&folder);
        let dead = format!("{topic}-dlt");
        let letter = |partition, key: Option<&str>, value: &str, headers| Produce {
            topic: dead.clone(),
            partition: Some(partition),
            key: key.map(|key| key.as_bytes().to_vec()),
            headers,
            value: Some(value.as_bytes().to_vec()),
        };
        let mut looping = springs(&topic);
        looping.push(("tidings-redrives".to_owned(), b"5".to_vec()));
        wait_for(async {
            let log = log(&brokers).await;
            make(&log, &topic).await;
            make(&log, &dead).await;
            for record in [
                letter(1, Some("alice"), "first", springs(&topic)),
                letter(1, Some("alice"), "again and again", looping),
                letter(0, None, "bare", Headers::new()),
            ] {
                log.produce(record).await.expect("it is written");
            }
        });
        Some(Self { folder, brokers, topic })
    }

    /// The id of a letter.
    fn id(&self, partition: u32, offset: u64) -> String {
        format!("{}-dlt/{partition}/{offset}", self.topic)
    }

    /// A command about this dead letter topic alone: others' tests have theirs on the same cluster.
    fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = self.folder.tidings(["dead-letters"]);
        command.args(arguments).args(["--brokers", &self.brokers, "--in", &format!("{}-dlt", self.topic)]);
        self.folder.run(&mut command)
    }

    fn parsed(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(&[arguments, &["--json"]].concat()).succeeds()).expect("it is JSON")
    }

    /// What was sent to the first topic, by value.
    fn sent(&self) -> Vec<Record> {
        wait_for(async {
            let log = log(&self.brokers).await;
            let mut all = Vec::new();
            for partition in [0, 1] {
                let of = TopicPartition { topic: self.topic.clone(), partition };
                all.extend(log.records(of, 0, 100).await.expect("it is read"));
            }
            all.sort_by(|one, other| one.value.cmp(&other.value));
            all
        })
    }
}

/// The headers that Spring Kafka's recoverer writes, behind one of the record's own.
fn springs(topic: &str) -> Headers {
    let named: [(&str, &[u8]); 9] = [
        ("own", &[0, 255]),
        ("kafka_dlt-original-topic", topic.as_bytes()),
        ("kafka_dlt-original-partition", &[0, 0, 0, 1]),
        ("kafka_dlt-original-offset", &[0, 0, 0, 0, 0, 0, 4, 18]),
        ("kafka_dlt-original-consumer-group", b"billing"),
        ("kafka_dlt-exception-fqcn", b"org.springframework.kafka.listener.ListenerExecutionFailedException"),
        ("kafka_dlt-exception-cause-fqcn", b"java.lang.IllegalStateException"),
        ("kafka_dlt-exception-message", b"no account"),
        ("retry_topic-attempts", &[0, 0, 0, 3]),
    ];
    named.map(|(name, value)| (name.to_owned(), value.to_vec())).into()
}

#[test]
fn dead_letters_of_any_cluster_are_listed_with_where_they_lay_and_why() {
    let Some(world) = World::new() else {
        println!("{MISSING}");
        return;
    };
    assert_eq!(world.parsed(&["list"])["items"].as_array().map(Vec::len), Some(3));
    let listed = world.parsed(&["list", "--cause", "NO account", "--group", "billing"]);
    let letter = listed["items"].as_array().and_then(|items| items.iter().find(|item| item["redrives"] == 0));
    let mut letter = letter.expect("it is listed").clone();
    letter.as_object_mut().expect("an object").remove("created_at");
    assert_eq!(
        letter,
        json!({
            "id": world.id(1, 0), "topic": world.topic, "partition": 1, "offset": 1042, "recorded_at": null,
            "group": "billing", "attempts": 3, "redrives": 0, "passed": false,
            "exception": "java.lang.IllegalStateException", "message": "no account", "key": "alice",
        })
    );
    let table = world.run(&["list", "--limit", "1"]);
    assert!(table.err.contains("there are more"), "{}", table.err);

    let shown = world.run(&["show", &world.id(1, 0)]).succeeds();
    for part in
        ["alice", "first", "after 3 attempts, by billing", "IllegalStateException: no account", "own: "]
    {
        assert!(shown.contains(part), "{part} is missing: {shown}");
    }
    assert!(world.run(&["show", &world.id(1, 7)]).fails(1).contains("no dead letter"));
    assert!(world.run(&["show", "1042"]).fails(2).contains("write orders-dlt/3/1042"));
    assert!(world.run(&["purge", "--topic", "any"]).fails(2).contains("retention"));
}

#[test]
fn a_dead_letter_goes_to_its_first_topic_and_key_with_its_own_headers_alone() {
    let Some(world) = World::new() else {
        println!("{MISSING}");
        return;
    };
    assert!(world.run(&["redrive"]).fails(2).contains("name dead letters"));
    let dry = world.run(&["redrive", &world.id(1, 0), "--dry-run"]).succeeds();
    assert_eq!((dry.as_str(), world.sent().len()), ("1 of 1 would be sent, 0 failed\n", 0));
    world.run(&["redrive", &world.id(1, 0)]).succeeds();
    let sent = world.sent().remove(0);
    assert_eq!((sent.key.as_deref(), sent.value.as_deref()), (Some(&b"alice"[..]), Some(&b"first"[..])));
    let first = format!("{}/1/1042", world.topic).into_bytes();
    let named = [
        ("own", vec![0, 255]),
        ("ce_id", first),
        ("tidings-redrive-group", b"billing".to_vec()),
        ("tidings-redrives", b"1".to_vec()),
    ];
    assert_eq!(sent.headers, named.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn a_run_over_all_sends_each_once_and_leaves_out_what_loops() {
    let Some(world) = World::new() else {
        println!("{MISSING}");
        return;
    };
    let ended = world.run(&["redrive", "--all", "--rate", "1000"]);
    assert!(ended.out.contains("2 of 3 sent, 1 failed"), "{ended:?}");
    assert!(
        ended.out.contains(&format!("{}  it was sent through again 5 times", world.id(1, 1))),
        "{ended:?}"
    );
    assert_eq!(ended.status.code(), Some(1));
    let values: Vec<_> = world.sent().into_iter().filter_map(|record| record.value).collect();
    assert_eq!(values, [b"bare".to_vec(), b"first".to_vec()]);
    // The next one goes on behind it, and what was passed is shown as such.
    assert_eq!(world.run(&["redrive", "--all"]).succeeds(), "0 of 0 sent, 0 failed\n");
    assert_eq!(world.sent().len(), 2);
    let listed = world.parsed(&["list"]);
    assert!(listed["items"].as_array().is_some_and(|items| items.iter().all(|item| item["passed"] == true)));
}

#[test]
fn dead_letters_of_a_cluster_that_is_not_there_are_told_apart() {
    let folder = Folder::new();
    let mut command = folder.tidings(["dead-letters", "list", "--brokers", "127.0.0.1:1"]);
    let says = folder.run(&mut command).fails(3);
    assert!(says.contains("no broker answers at 127.0.0.1:1"), "{says}");
    let says = folder.run(&mut folder.tidings(["dead-letters", "list", "--in", "orders-dlt"])).fails(2);
    assert!(says.contains("--brokers"), "{says}");
}
