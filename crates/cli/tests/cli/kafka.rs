//! Commands that speak to Kafka itself, on any cluster.

use std::{fs, process::Stdio, time::Duration};

use tidings_log::{
    Durability, KafkaLog, KafkaSettings, Log as _, Polled, Start, TopicConfig, TopicPartition,
};

use crate::running::Folder;

/// What to run where there is no broker.
pub(crate) const MISSING: &str = "passed over, no broker: run `scripts/kafka with cargo test -p tidings-cli`";

/// The brokers of the shared cluster.
pub(crate) fn brokers() -> Option<String> {
    tidings_config::variable("TIDINGS_TEST_KAFKA")
}

/// A name that no other test has.
pub(crate) fn unique(folder: &Folder) -> String {
    let name = folder.path.path().file_name().expect("a folder has a name").to_string_lossy().into_owned();
    format!("cli{}", name.trim_start_matches('.'))
}

pub(crate) fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future)
}

pub(crate) async fn log(brokers: &str) -> KafkaLog {
    KafkaLog::connect(KafkaSettings::at(brokers.split(','))).await.expect("it connects")
}

/// Makes a topic of two partitions.
pub(crate) async fn make(log: &KafkaLog, name: &str) {
    let config = TopicConfig {
        alias: name.to_owned(),
        name: name.to_owned(),
        partitions: 2,
        retention: Duration::from_hours(1),
        retention_bytes: TopicConfig::RETENTION_BYTES,
        durability: Durability::Durable,
    };
    log.ensure_topics(&[config]).await.expect("it is made");
}

#[test]
fn records_are_written_to_and_read_from_any_cluster() {
    let Some(brokers) = brokers() else {
        println!("{MISSING}");
        return;
    };
    let folder = Folder::new();
    let topic = unique(&folder);
    wait_for(async { make(&log(&brokers).await, &topic).await });
    let run = |arguments: &[&str]| {
        let mut command = folder.tidings(arguments);
        folder.run(command.args(["--brokers", &brokers]))
    };
    let said =
        run(&["produce", &topic, "--value", "one", "--key", "k", "--header", "a=b", "--partition", "1"])
            .succeeds();
    assert_eq!(said, "1@0\n");
    let lines = folder.path.path().join("lines");
    fs::write(&lines, "two\nthree\n").expect("a file in it");
    let mut command = folder.tidings(["produce", &topic, "--partition", "1", "--brokers", &brokers]);
    command.stdin(Stdio::from(fs::File::open(&lines).expect("it is there")));
    assert_eq!(folder.run(&mut command).succeeds(), "1@1\n1@2\n");

    let read = run(&["consume", &topic, "--from-beginning", "--json"]).succeeds();
    let values: Vec<serde_json::Value> =
        read.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let found: Vec<&str> = values.iter().filter_map(|record| record["value"].as_str()).collect();
    assert_eq!(found, ["one", "two", "three"]);
    assert_eq!(values[0]["headers"], serde_json::json!([["a", "b"]]));
    let listed = run(&["topics"]).succeeds();
    let line = listed.lines().find(|line| line.contains(&topic)).expect("it is listed");
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words, [&topic, "2", "3", "-", "1", "h"]);

    let says = run(&["consume", "nowhere-at-all", "--from-beginning"]).fails(1);
    assert!(says.contains("no topic `nowhere-at-all`"), "{says}");
}

#[test]
fn a_group_is_listed_with_its_lag_and_reset_after_a_preview() {
    let Some(brokers) = brokers() else {
        println!("{MISSING}");
        return;
    };
    let folder = Folder::new();
    let topic = unique(&folder);
    let group = format!("{topic}-group");
    wait_for(async {
        let log = log(&brokers).await;
        make(&log, &topic).await;
        for _ in 0..5 {
            let record = tidings_log::Produce {
                topic: topic.clone(),
                partition: Some(0),
                value: Some(b"value".to_vec()),
                ..tidings_log::Produce::default()
            };
            log.produce(record).await.expect("it is written");
        }
        let mut member =
            log.join(&group, std::slice::from_ref(&topic), Start::Earliest).await.expect("it joins");
        while !matches!(member.poll(10).await, Ok(Polled::Records(_))) {}
        let of = TopicPartition { topic: topic.clone(), partition: 0 };
        member.commit(&[(of.clone(), 2)]).await.expect("it commits");
        drop(member);
        // Setting the offset waits until the member has left.
        log.reset(&group, of, 2).await.expect("it is set");
    });
    let run = |arguments: &[&str]| {
        let mut command = folder.tidings(arguments);
        folder.run(command.args(["--brokers", &brokers]))
    };
    let words = |said: &str, of: &str| -> Vec<String> {
        let line = said.lines().find(|line| line.trim_start().starts_with(of)).expect("it is listed");
        line.split_whitespace().map(str::to_owned).collect()
    };
    assert_eq!(words(&run(&["groups"]).succeeds(), &group), [&group, "1", "1", "3"]);
    assert_eq!(words(&run(&["groups", &group]).succeeds(), &topic), [&topic, "0", "2", "5", "3", "-"]);
    let preview = run(&["groups", &group, "--reset", "earliest"]).succeeds();
    assert_eq!(words(&preview, &topic), [&topic, "0", "2", "0", "2"]);
    assert_eq!(words(&run(&["groups", &group]).succeeds(), &topic)[2], "2", "nothing was changed");
    run(&["groups", &group, "--reset", "4", "--yes"]).succeeds();
    assert_eq!(words(&run(&["groups", &group]).succeeds(), &topic)[2..5], ["4", "5", "1"]);
}

#[test]
fn a_cluster_that_is_not_there_is_told_apart() {
    let folder = Folder::new();
    let says = folder.run(&mut folder.tidings(["topics", "--brokers", "127.0.0.1:1"])).fails(3);
    assert!(says.contains("no broker answers at 127.0.0.1:1"), "{says}");
}
