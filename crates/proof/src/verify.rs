//! Checking a proof, line by line, without a server.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, Read as _},
};

use serde::Deserialize;

use crate::{ALGORITHM, CHAIN, Chain, END, FORMAT, PublicKey, SIGNATURE};

/// The longest line: a head names up to ten thousand people.
const LINE_BYTES: u64 = 8 << 20;
/// Letters of a chain.
const CHAIN_LETTERS: usize = 64;
/// Letters of a signature.
const SIGNATURE_LETTERS: usize = 86;

/// A proof that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Of which message.
    pub message_id: String,
    /// When it was made.
    pub made_at: String,
    /// The key that signed it.
    pub key_id: String,
    /// How many people it names.
    pub people: u64,
    /// How many of them are in which state.
    pub states: BTreeMap<String, u64>,
}

/// A proof that does not hold.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The file could not be read.
    #[error("could not read the proof")]
    Read(#[from] io::Error),
    /// A line is not as it was written.
    #[error("line {line}: {what}")]
    Line {
        /// The first such line; the first of all is 1.
        line: u64,
        /// What is wrong with it.
        what: &'static str,
    },
}

#[derive(Deserialize)]
struct Head {
    proof: String,
    algorithm: String,
    key_id: String,
    message_id: String,
    made_at: String,
}

#[derive(Deserialize)]
struct Person {
    state: String,
}

#[derive(Deserialize)]
struct End {
    people: u64,
    states: BTreeMap<String, u64>,
}

/// A line, taken apart.
struct Parts<'a> {
    /// What the chain is made of.
    body: &'a [u8],
    chain: &'a [u8],
    signature: Option<&'a [u8]>,
}

/// Checks a proof against keys that are known to be the sender's.
pub fn verify(mut proof: impl BufRead, keys: &[PublicKey]) -> Result<Verified, Broken> {
    let (mut chain, mut number) = (Chain::default(), 0);
    let (mut people, mut states) = (0, BTreeMap::new());
    let mut head: Option<(Head, &PublicKey)> = None;
    let mut line = Vec::new();
    loop {
        number += 1;
        let broken = |what| Broken::Line { line: number, what };
        line.clear();
        proof.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(broken("the proof ends before its signature: lines are missing"));
        }
        let parts = parts(&line).ok_or_else(|| broken("it is no line of a proof"))?;
        chain = chain.next(parts.body);
        if chain.hex().as_bytes() != parts.chain {
            return Err(broken("it was changed, or a line before it was left out, put in or moved"));
        }
        let json = [parts.body, b"}"].concat();
        let Some((about, key)) = &head else {
            head = Some(begin(&json, keys).map_err(broken)?);
            continue;
        };
        let Some(signature) = parts.signature else {
            let person: Person =
                serde_json::from_slice(&json).map_err(|_cause| broken("it names no person"))?;
            people += 1;
            *states.entry(person.state).or_default() += 1;
            continue;
        };
        if !key.holds(&chain.signed(), signature) {
            return Err(broken(
                "the signature does not hold: something before it was changed, or it is another's",
            ));
        }
        let end: End = serde_json::from_slice(&json).map_err(|_cause| broken("it has no counts"))?;
        if (end.people, &end.states) != (people, &states) {
            return Err(broken("its counts are not those of the lines before it"));
        }
        if !proof.fill_buf()?.is_empty() {
            return Err(Broken::Line { line: number + 1, what: "it stands behind the signature" });
        }
        let (message_id, made_at) = (about.message_id.clone(), about.made_at.clone());
        return Ok(Verified { message_id, made_at, key_id: about.key_id.clone(), people, states });
    }
}

fn begin<'a>(json: &[u8], keys: &'a [PublicKey]) -> Result<(Head, &'a PublicKey), &'static str> {
    let head: Head = serde_json::from_slice(json).map_err(|_cause| "it is no head of a proof")?;
    if head.proof != FORMAT || head.algorithm != ALGORITHM {
        return Err("it is a proof of another kind");
    }
    let key = keys.iter().find(|key| key.id() == head.key_id);
    let key = key.ok_or("it names another key than those that it is checked with")?;
    Ok((head, key))
}

fn parts(line: &[u8]) -> Option<Parts<'_>> {
    let rest = line.strip_suffix(b"\n")?.strip_suffix(END.as_bytes())?;
    let signed = last(rest, SIGNATURE, SIGNATURE_LETTERS);
    let (rest, signature) = match signed {
        Some((rest, signature)) => (rest, Some(signature)),
        None => (rest, None),
    };
    let (body, chain) = last(rest, CHAIN, CHAIN_LETTERS)?;
    Some(Parts { body, chain, signature })
}

/// The last so many letters, if `before` stands before them; and what stands before that.
fn last<'a>(text: &'a [u8], before: &str, letters: usize) -> Option<(&'a [u8], &'a [u8])> {
    let (rest, last) = text.split_at_checked(text.len().checked_sub(letters)?)?;
    Some((rest.strip_suffix(before.as_bytes())?, last))
}
