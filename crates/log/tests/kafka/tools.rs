//! Other people's tools read what we write, write what we read, and list our groups: kcat, and Kafka's own in Java.

use std::{
    io::Write,
    process::{Command, Stdio},
    time::Duration,
};

use tidings_log::{GroupProtocol, KafkaLog, Log, LogPlace, Polled, Produce, Start, TopicPartition};
use tidings_model::Record;

use crate::{
    broker::{kafka, script},
    world::{connect, is_old, pass_over, shared, topic},
};

/// Partitions of a topic on which Java's choice is compared with ours.
const PARTITIONS: u32 = 10;

fn brokers() -> Vec<String> {
    shared().expect("asked for before")
}

/// The broker's name for the script.
fn name() -> String {
    tidings_config::variable("TIDINGS_TEST_KAFKA_NAME").expect("the script says it")
}

/// One of Kafka's own tools; what it says.
async fn java(tool: &str, arguments: &[&str]) -> String {
    let mut all = vec!["tool".to_owned(), name(), tool.to_owned()];
    all.extend(arguments.iter().map(|&argument| argument.to_owned()));
    kafka(all).await
}

/// Runs a program with something to read; what it says.
async fn run(mut program: Command, input: String) -> String {
    let ran = tokio::task::spawn_blocking(move || {
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = program.spawn().expect("it is installed");
        child.stdin.take().expect("it is piped").write_all(input.as_bytes()).expect("it reads");
        child.wait_with_output().expect("it ends")
    });
    let output = ran.await.expect("it is waited for");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn kcat(arguments: &[&str]) -> Command {
    let mut program = Command::new("kcat");
    program.args(["-b", &brokers().join(",")]).args(arguments);
    program
}

async fn write(log: &KafkaLog, topic: &str, key: &str, value: &str) -> LogPlace {
    let record = Produce {
        topic: topic.to_owned(),
        partition: None,
        key: Some(key.as_bytes().to_vec()),
        headers: vec![("ce_id".to_owned(), b"evt_1".to_vec())],
        value: Some(value.as_bytes().to_vec()),
    };
    log.produce(record).await.expect("it is written")
}

/// All records of a topic.
async fn all(log: &KafkaLog, topic: &str) -> Vec<Record> {
    let mut records = Vec::new();
    for partition in 0..PARTITIONS {
        let of = TopicPartition { topic: topic.to_owned(), partition };
        records.extend(log.records(of, 0, 100).await.expect("it is read"));
    }
    records
}

fn text(bytes: Option<&Vec<u8>>) -> String {
    String::from_utf8_lossy(bytes.map_or(&[][..], Vec::as_slice)).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kcat_reads_what_we_write_and_we_read_what_it_writes() {
    pass_over!(shared().err());
    let log = connect(brokers(), GroupProtocol::Classic).await;
    let topic = topic(&log, PARTITIONS).await;
    let ours = write(&log, &topic, "key", "ours \u{1f600}").await;
    let said = run(kcat(&["-C", "-t", &topic, "-e", "-q", "-f", "%p %k %h %s\n"]), String::new()).await;
    assert_eq!(said, format!("{} key ce_id=evt_1 ours \u{1f600}\n", ours.partition));

    let arguments = ["-P", "-t", &topic, "-K", "|", "-H", "a=b", "-X", "partitioner=murmur2_random"];
    run(kcat(&arguments), "key|theirs\n".to_owned()).await;
    let records = all(&log, &topic).await;
    let theirs = records.last().expect("it is there");
    assert_eq!((theirs.partition, theirs.offset), (ours.partition, 1), "one key, one partition");
    assert_eq!((text(theirs.value.as_ref()), theirs.header("a")), ("theirs".to_owned(), Some("b")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafkas_own_tools_read_write_and_choose_the_partitions_that_we_choose() {
    pass_over!(shared().err());
    let log = connect(brokers(), GroupProtocol::Classic).await;
    let topic = topic(&log, PARTITIONS).await;
    let keys = ["21", "foobar", "a-little-bit-long-string", "ä", "alice", "bob"];
    let mut ours = Vec::new();
    for key in keys {
        ours.push(write(&log, &topic, key, "ours").await.partition);
    }
    // The options have other names in the tools of before 4.2.
    let (formatter, reader) =
        if is_old() { ("--property", "--property") } else { ("--formatter-property", "--reader-property") };
    let arguments =
        ["--topic", &topic, "--from-beginning", "--max-messages", "6", formatter, "print.key=true"];
    let read = java("consume", &arguments).await;
    let mut lines: Vec<&str> = read.lines().collect();
    lines.sort_unstable();
    let mut wanted: Vec<String> = keys.iter().map(|key| format!("{key}\tours")).collect();
    wanted.sort_unstable();
    assert_eq!(lines, wanted);

    let mut producer = Command::new(script());
    producer.args(["tool", &name(), "produce", "--topic", &topic, reader, "parse.key=true"]);
    let lines: Vec<String> = keys.iter().map(|key| format!("{key}\ttheirs\n")).collect();
    run(producer, lines.concat()).await;
    let records = all(&log, &topic).await;
    for (key, partition) in keys.iter().zip(ours) {
        let of_key = records.iter().filter(|record| text(record.key.as_ref()) == *key);
        let of_key: Vec<_> = of_key.map(|record| (record.partition, text(record.value.as_ref()))).collect();
        assert_eq!(of_key, [(partition, "ours".to_owned()), (partition, "theirs".to_owned())], "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafkas_own_tools_list_our_topics_and_groups_with_their_lag() {
    pass_over!(shared().err());
    let log = connect(brokers(), GroupProtocol::Classic).await;
    let topic = topic(&log, 1).await;
    for _ in 0..5 {
        write(&log, &topic, "key", "value").await;
    }
    let group = format!("{topic}-group");
    let mut member = log.join(&group, std::slice::from_ref(&topic), Start::Earliest).await.expect("it joins");
    let of = TopicPartition { topic: topic.clone(), partition: 0 };
    let reading = async { while !matches!(member.poll(10).await, Ok(Polled::Records(_))) {} };
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("it reads");
    member.commit(&[(of, 2)]).await.expect("it commits");

    let described = java("topics", &["--describe", "--topic", &topic]).await;
    for word in ["PartitionCount: 1", "retention.ms=3600000", "max.message.bytes=2097152"] {
        assert!(described.contains(word), "{word} is not in {described}");
    }
    // A tool that meets a busy broker says so and ends.
    let listed = async {
        loop {
            let described = java("groups", &["--describe", "--group", &group]).await;
            let mut lines =
                described.lines().map(|line| line.split_whitespace().map(str::to_owned).collect());
            if let Some(words) = lines.find(|words: &Vec<String>| words.get(1) == Some(&topic)) {
                return words;
            }
        }
    };
    let words = tokio::time::timeout(Duration::from_mins(1), listed).await.expect("its topic is listed");
    // GROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG
    assert_eq!(words[..6], [group.as_str(), topic.as_str(), "0", "2", "5", "3"]);
}
