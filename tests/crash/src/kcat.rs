//! `kcat`, the tool that others look into topics with and write to them: a second opinion on what is in the log, and the
//! hand that writes what the server never would.

use std::{
    collections::HashSet,
    io::Write as _,
    process::{Command, Stdio},
};

use serde::Deserialize;

/// A partition of a topic, as the brokers tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Which broker takes its records.
    pub leader: usize,
    /// How many brokers keep them.
    pub replicas: usize,
}

/// A record to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Its key.
    pub key: Vec<u8>,
    /// Its value; none is a null.
    pub value: Option<Vec<u8>>,
    /// Names and values of its headers, any bytes but zero.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The partitions of a topic, in order.
pub fn partitions(brokers: &str, topic: &str) -> Vec<Partition> {
    #[derive(Deserialize)]
    struct Listing {
        topics: Vec<Topic>,
    }
    #[derive(Deserialize)]
    struct Topic {
        partitions: Vec<Found>,
    }
    #[derive(Deserialize)]
    struct Found {
        leader: usize,
        replicas: Vec<serde_json::Value>,
    }
    let said = run(&["-b", brokers, "-L", "-J", "-t", topic]);
    let listing: Listing = serde_json::from_slice(&said).expect("kcat lists in JSON");
    let found = listing.topics.into_iter().flat_map(|topic| topic.partitions);
    found.map(|found| Partition { leader: found.leader, replicas: found.replicas.len() }).collect()
}

/// The headers of a topic's records, each once: what the relay sent again bears its number again, and readers drop it.
pub fn read_once(brokers: &str, topic: &str) -> Vec<String> {
    numbered(brokers, topic).0
}

/// Records that bear a number which an earlier one of their partition bears.
pub fn repeated_numbers(brokers: &str, topic: &str) -> usize {
    numbered(brokers, topic).1
}

/// The headers of records, each once, and how many came again.
fn numbered(brokers: &str, topic: &str) -> (Vec<String>, usize) {
    let said = read(brokers, topic, "%p %h\n");
    let (mut known, mut once, mut again) = (HashSet::new(), Vec::new(), 0);
    for (partition, headers) in said.lines().filter_map(|line| line.split_once(' ')) {
        let number = headers.split(',').find_map(|header| header.strip_prefix("tidings-seq="));
        if number.is_some_and(|number| !known.insert((partition, number))) {
            again += 1;
        } else {
            once.push(headers.to_owned());
        }
    }
    (once, again)
}

/// All records of a topic, each written as the format says.
pub fn read(brokers: &str, topic: &str, format: &str) -> String {
    let said = run(&["-b", brokers, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", format]);
    String::from_utf8_lossy(&said).into_owned()
}

/// Writes a record; a value must not contain a line's end, unless it is written from a file.
pub fn write(brokers: &str, topic: &str, record: &Written) {
    let mut command = Command::new("kcat");
    command.args(["-b", brokers, "-P", "-t", topic, "-X", "message.max.bytes=2000000", "-K", "\u{1}"]);
    for (name, value) in &record.headers {
        use std::os::unix::ffi::OsStringExt as _;
        let header = [name.as_slice(), b"=", value].concat();
        command.arg("-H").arg(std::ffi::OsString::from_vec(header));
    }
    if record.value.is_none() {
        command.arg("-Z");
    }
    let mut child = command.stdin(Stdio::piped()).spawn().expect("kcat is installed");
    let mut line = record.key.clone();
    line.push(1);
    line.extend(record.value.as_deref().unwrap_or_default());
    line.push(b'\n');
    child.stdin.take().expect("it reads").write_all(&line).expect("kcat reads");
    let ended = child.wait().expect("kcat ends");
    assert!(ended.success(), "kcat could not write to {topic}: {ended}");
}

fn run(arguments: &[&str]) -> Vec<u8> {
    let ended =
        Command::new("kcat").args(arguments).stdin(Stdio::null()).output().expect("kcat is installed");
    assert!(ended.status.success(), "kcat {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    ended.stdout
}
