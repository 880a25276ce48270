//! Writing a proof, line by line: what is held of it is one chain and the counts, however long it is.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{ALGORITHM, CHAIN, Chain, END, FORMAT, SIGNATURE, Signer};

/// What became of the message for a person.
#[derive(Clone, Debug, Serialize)]
pub struct Person<'a, Time> {
    /// Who.
    pub user_id: &'a str,
    /// `pending`, `delivered`, …
    pub state: &'static str,
    /// Why they do not have it, as a word.
    pub reason: Option<&'static str>,
    /// When a device of theirs confirmed it.
    pub delivered_at: Option<Time>,
    /// When they read it.
    pub read_at: Option<Time>,
}

#[derive(Serialize)]
struct Head<'a, T> {
    proof: &'static str,
    algorithm: &'static str,
    key_id: &'a str,
    #[serde(flatten)]
    about: T,
}

#[derive(Serialize)]
struct End {
    people: u64,
    states: BTreeMap<&'static str, u64>,
}

/// A proof that is being written.
#[derive(Debug, Default)]
pub struct Writer {
    chain: Chain,
    people: u64,
    states: BTreeMap<&'static str, u64>,
}

impl Writer {
    /// Begins a proof: the writer and the head. `about` is an object: which message, for whom, when.
    pub fn begin(signer: &Signer, about: impl Serialize) -> (Self, String) {
        let mut writer = Self::default();
        let key_id = signer.public_key().id();
        let head = Head { proof: FORMAT, algorithm: ALGORITHM, key_id, about };
        let line = writer.line(&head, &format!("{END}\n"));
        (writer, line)
    }

    /// The line of the next person.
    pub fn person(&mut self, person: &Person<'_, impl Serialize>) -> String {
        self.people += 1;
        *self.states.entry(person.state).or_default() += 1;
        self.line(person, &format!("{END}\n"))
    }

    /// The end, with the signature.
    pub fn end(mut self, signer: &Signer) -> String {
        let end = End { people: self.people, states: std::mem::take(&mut self.states) };
        let line = self.line(&end, SIGNATURE);
        format!("{line}{}{END}\n", signer.sign(&self.chain.signed()))
    }

    fn line(&mut self, value: &impl Serialize, behind: &str) -> String {
        // No value here has keys that are no texts, so all of them are JSON.
        let mut line = serde_json::to_string(value).unwrap_or_default();
        // Its closing brace comes behind the chain.
        line.pop();
        self.chain = self.chain.next(line.as_bytes());
        format!("{line}{CHAIN}{}{behind}", self.chain.hex())
    }
}
