//! Poison: records that no handler can digest, one of each kind, and what must become of them: one dead letter each.

use std::collections::BTreeSet;

use crate::{
    kcat::{self, Written},
    letters::Letter,
};

/// The topics that groups of the server consume.
pub const TOPICS: [&str; 3] =
    ["broadcast-messages", "broadcast-user-service-group", "broadcast-user-service-selected"];
/// The topic that every node tails.
pub const TAILED: &str = "tidings-deliveries";
/// The header by which poison is known again.
const MARK: &str = "poison";
/// The value of a large one.
const LARGE: usize = 900 << 10;

/// A name and a value.
type Header = (&'static [u8], &'static [u8]);

/// What a kind of poison is called, its value and its headers.
type Kind<'a> = (&'static str, Option<Vec<u8>>, &'a [Header]);

/// One indigestible record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poison {
    /// Its name, unique in a run.
    pub name: String,
    /// Where it is written to.
    pub topic: String,
    /// What is written.
    pub record: Written,
}

impl Poison {
    /// Writes it.
    pub fn write(&self, brokers: &str) {
        kcat::write(brokers, &self.topic, &self.record);
    }
}

/// One of each kind for a topic; `tag` tells them from those of other times.
pub fn poisons(topic: &str, tag: &str) -> Vec<Poison> {
    let wrong_types = br#"{"broadcastId":7,"step":[],"eventType":{},"userId":false,"message":null}"#;
    let large = format!(r#"{{"broadcastId":"{}"}}"#, "x".repeat(LARGE));
    let no_text: &[Header] = &[
        (b"\xff\xfe", b"\xc3\x28"),
        (b"tidings-seq", b"not a number"),
        (b"ce_id", b"\xff"),
        (b"ce_time", b"yesterday"),
        (b"traceparent", b"00-zz"),
        (b"content-type", b""),
    ];
    let kinds: [Kind<'_>; 6] = [
        ("garbage", Some(vec![0xff, 0, 0xc3, 0x28, 0x7f, b'{', 0x80]), &[]),
        ("null", None, &[]),
        ("wrong-types", Some(wrong_types.to_vec()), &[]),
        ("large", Some(large.into_bytes()), &[]),
        ("bad-headers", Some(b"{}".to_vec()), no_text),
        ("truncated", Some(br#"{"broadcastId":"brd_"#.to_vec()), &[(b"ce_id", b"evt_poison")]),
    ];
    kinds
        .into_iter()
        .map(|(kind, value, headers)| {
            let name = format!("{kind}-{topic}-{tag}");
            let mut record = Written { key: name.clone().into_bytes(), value, headers: Vec::new() };
            record.headers.extend(headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())));
            record.headers.push((MARK.as_bytes().to_vec(), name.clone().into_bytes()));
            Poison { name, topic: topic.to_owned(), record }
        })
        .collect()
}

/// Whether each of these has a dead letter, or more than one, already.
pub fn all_are_dead(written: &[Poison], letters: &[Letter]) -> bool {
    written.iter().all(|poison| letters.iter().any(|letter| letter.header(MARK) == Some(&poison.name)))
}

/// What is wrong: each has one dead letter, with what was written in it, and nothing else has one.
pub fn wrong_letters(written: &[Poison], letters: &[Letter]) -> Vec<String> {
    let mut wrong = Vec::new();
    for poison in written {
        let of_it: Vec<&Letter> =
            letters.iter().filter(|letter| letter.header(MARK) == Some(&poison.name)).collect();
        let [letter] = of_it.as_slice() else {
            wrong.push(format!("{} has {} dead letters", poison.name, of_it.len()));
            continue;
        };
        let value = poison.record.value.as_deref().map(String::from_utf8_lossy);
        if letter.topic != poison.topic || letter.value.as_deref() != value.as_deref() {
            wrong.push(format!("the dead letter of {} holds something else", poison.name));
        }
    }
    let is_known = |letter: &&Letter| written.iter().any(|poison| letter.header(MARK) == Some(&poison.name));
    let others = letters.iter().filter(|letter| !is_known(letter));
    wrong.extend(others.map(|letter| format!("{} is a dead letter, and was no poison", letter.id)));
    wrong
}

/// The same of the topics of dead letters, for other tools.
pub fn wrong_records(brokers: &str, written: &[Poison]) -> Vec<String> {
    let mut wrong = Vec::new();
    let topics: BTreeSet<&str> = written.iter().map(|poison| poison.topic.as_str()).collect();
    for topic in topics {
        let records = kcat::read_once(brokers, &format!("{topic}-dlt"));
        for poison in written.iter().filter(|poison| poison.topic == topic) {
            let mark = format!("{MARK}={}", poison.name);
            let found = records.iter().filter(|headers| headers.contains(&mark)).count();
            if found != 1 {
                wrong.push(format!("{} is {found} times in {topic}-dlt", poison.name));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(poison: &Poison) -> Letter {
        Letter {
            id: poison.name.clone(),
            topic: poison.topic.clone(),
            state: "open".to_owned(),
            key: None,
            headers: vec![(MARK.to_owned(), poison.name.clone())],
            value: poison.record.value.as_deref().map(|value| String::from_utf8_lossy(value).into_owned()),
            redrives: 0,
        }
    }

    #[test]
    fn a_dead_letter_that_is_missing_or_there_twice_or_altered_or_of_no_poison_is_told() {
        let written = poisons(TOPICS[0], "t");
        let good: Vec<Letter> = written.iter().map(letter).collect();
        assert!(all_are_dead(&written, &good));
        assert_eq!(wrong_letters(&written, &good), Vec::<String>::new());
        let missing = good.get(1..).unwrap_or_default();
        assert!(!all_are_dead(&written, missing));
        assert_eq!(wrong_letters(&written, missing).len(), 1);
        let twice = [good.clone(), good.get(..1).unwrap_or_default().to_vec()].concat();
        assert_eq!(wrong_letters(&written, &twice).len(), 1);
        let altered: Vec<Letter> =
            good.iter().map(|letter| Letter { value: Some("x".to_owned()), ..letter.clone() }).collect();
        assert_eq!(wrong_letters(&written, &altered).len(), written.len());
        assert_eq!(wrong_letters(&[], &good).len(), good.len());
    }
}
