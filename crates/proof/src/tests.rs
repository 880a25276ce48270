//! Whatever is done to a proof, it is refused, and the first line that is not as it was written is named.

use serde_json::{Value, json};

use super::*;

/// Made with `openssl genpkey -algorithm ed25519`, and the public key with `openssl pkey -pubout`.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIMkw4OPf4XMOtM8gYXkAv3maF5ANPwYJOyO2C01KhTvY
-----END PRIVATE KEY-----
";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAQxafJU+LSdhD8aXfp+GMTQjJ9wOpihm21CB33nZJYaA=
-----END PUBLIC KEY-----
";

fn signer() -> Signer {
    Signer::from_pem(PRIVATE).unwrap()
}

fn keys() -> Vec<PublicKey> {
    PublicKey::read(PUBLIC).unwrap()
}

/// The lines of a small proof.
fn written() -> Vec<String> {
    let signer = signer();
    let about = json!({ "message_id": "brd_1", "made_at": "2026-01-02T03:04:05.000Z", "audience": { "type": "all" } });
    let (mut writer, head) = Writer::begin(&signer, about);
    let people = [
        ("alice", "read", None, Some(1)),
        ("bob", "pending", Some("not_connected"), None),
        ("carol, \"},{\"chain\":\"", "delivered", None, Some(2)),
    ];
    let mut lines = vec![head];
    for (user_id, state, reason, at) in people {
        lines.push(writer.person(&Person { user_id, state, reason, delivered_at: at, read_at: at }));
    }
    lines.push(writer.end(&signer));
    lines
}

fn checked(lines: &[String]) -> Result<Verified, Broken> {
    verify(lines.concat().as_bytes(), &keys())
}

/// The line that is named.
fn refused(proof: &[u8]) -> u64 {
    match verify(proof, &keys()) {
        Err(Broken::Line { line, .. }) => line,
        other => panic!("{other:?}: {}", String::from_utf8_lossy(proof)),
    }
}

#[test]
fn what_was_written_holds_and_says_what_it_adds_up_to() {
    let verified = checked(&written()).unwrap();
    assert_eq!((verified.message_id.as_str(), verified.people), ("brd_1", 3));
    let states: Vec<(&str, u64)> =
        verified.states.iter().map(|(state, people)| (state.as_str(), *people)).collect();
    assert_eq!(states, [("delivered", 1), ("pending", 1), ("read", 1)]);
    assert_eq!(verified.key_id, signer().public_key().id());
}

#[test]
fn every_byte_that_is_changed_is_noticed_in_its_line() {
    let lines = written();
    let mut before = 0;
    for (number, line) in (1..).zip(&lines) {
        for at in 0..line.len() {
            for bit in [0x01, 0x20] {
                let mut proof = lines.concat().into_bytes();
                proof[before + at] ^= bit;
                assert_eq!(refused(&proof), number, "byte {at} of line {number}");
            }
        }
        before += line.len();
    }
}

#[test]
fn a_line_that_is_left_out_put_in_or_moved_is_noticed_there() {
    let lines = written();
    for left_out in 0..lines.len() {
        let mut proof = lines.clone();
        proof.remove(left_out);
        assert_eq!(refused(proof.concat().as_bytes()), left_out as u64 + 1, "without line {}", left_out + 1);
        let mut proof = lines.clone();
        proof.insert(left_out, lines[1].clone());
        let first = if left_out == 1 { 3 } else { left_out as u64 + 1 };
        assert_eq!(refused(proof.concat().as_bytes()), first, "one more before line {}", left_out + 1);
    }
    for first in 0..lines.len() - 1 {
        let mut proof = lines.clone();
        proof.swap(first, first + 1);
        assert_eq!(refused(proof.concat().as_bytes()), first as u64 + 1, "lines {} and its next", first + 1);
    }
    assert_eq!(refused([lines.concat(), lines[1].clone()].concat().as_bytes()), lines.len() as u64 + 1);
    assert_eq!(refused(b""), 1);
    let whole = lines.concat();
    for cut in 1..whole.len() {
        assert!(verify(&whole.as_bytes()[..cut], &keys()).is_err(), "cut at {cut}");
    }
}

#[test]
fn who_makes_all_chains_fit_lacks_the_signature() {
    let lines = written();
    let end = lines.last().unwrap();
    let (_, signature) = end.split_once(SIGNATURE).unwrap();
    let mut chain = Chain::default();
    let mut forged = String::new();
    for line in &lines {
        let body = line.rsplit_once(CHAIN).unwrap().0.replace("not_connected", "muted");
        chain = chain.next(body.as_bytes());
        let behind = if line == end { format!("{SIGNATURE}{signature}") } else { format!("{END}\n") };
        forged += &[&body, CHAIN, &chain.hex(), &behind].concat();
    }
    assert!(forged.contains("muted"));
    assert_eq!(refused(forged.as_bytes()), lines.len() as u64);
}

#[test]
fn keys_are_read_from_pem_and_from_a_set_and_another_key_is_refused() {
    let set = json!({ "keys": [{ "kty": "RSA", "n": "AQ", "e": "AQAB" }, signer().public_key().member()] });
    assert_eq!(PublicKey::read(&set.to_string()).unwrap(), keys());
    assert_eq!(PublicKey::read(&signer().public_key().member().to_string()).unwrap(), keys());
    for text in
        ["", "{}", "{\"keys\":[]}", PRIVATE, "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----"]
    {
        assert_eq!(PublicKey::read(text), Err(InvalidKey::Public), "{text}");
    }
    assert!(Signer::from_pem(PUBLIC).is_err());
    // The key of RFC 8037, and its name.
    let other = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let other = PublicKey::read(&other.to_string()).unwrap();
    assert_eq!(other[0].id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert!(matches!(verify(written().concat().as_bytes(), &other), Err(Broken::Line { line: 1, .. })));
}

#[test]
fn a_line_is_json_with_its_chain() {
    for line in written() {
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["chain"].as_str().map(str::len), Some(64), "{line}");
    }
}
