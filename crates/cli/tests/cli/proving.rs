//! `proof`: fetched from a server, checked without one.

use std::fs;

use serde_json::Value;

use crate::running::{Demo, Folder};

/// Made with `openssl genpkey -algorithm ed25519`.
const KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIMkw4OPf4XMOtM8gYXkAv3maF5ANPwYJOyO2C01KhTvY
-----END PRIVATE KEY-----
";

#[test]
fn a_proof_is_fetched_and_holds_until_a_line_of_it_is_changed() {
    let folder = Folder::new();
    fs::write(folder.path.path().join("proof.pem"), KEY).unwrap();
    let demo = Demo::start_with(folder, &[("TIDINGS_PROOF__SIGNING_KEY_FILE", "proof.pem")]);
    let sent = demo.run(["send", "For the record", "--to", "all", "--json"]).succeeds();
    let id = serde_json::from_str::<Value>(&sent).unwrap()["id"].as_str().unwrap().to_owned();
    demo.run(["proof", "get", &id, "--out", "proof.ndjson"]).succeeds();
    let keys = demo.folder.run(&mut demo.folder.shell(&format!("curl -sf {}/api/v1/proof-keys", demo.url)));
    let at = |name: &str| demo.folder.path.path().join(name);
    fs::write(at("keys.json"), keys.succeeds()).unwrap();
    assert_eq!(
        demo.run(["proof", "get", &id]).succeeds().lines().count(),
        5,
        "a head, three people, the end"
    );
    assert!(!at("proof.ndjson.part").exists());

    // The server is away.
    let folder = demo.stop();
    let verify = |file: &str, more: &[&str]| {
        folder.run(&mut folder.tidings([&["proof", "verify", file, "--key", "keys.json"], more].concat()))
    };
    let at = |name: &str| folder.path.path().join(name);
    let holds = verify("proof.ndjson", &[]).succeeds();
    assert!(holds.contains(&id) && holds.contains("3 people"), "{holds}");
    let told: Value = serde_json::from_str(&verify("proof.ndjson", &["--json"]).succeeds()).unwrap();
    assert_eq!((told["message_id"].as_str(), told["people"].as_u64()), (Some(id.as_str()), Some(3)));

    let proof = fs::read_to_string(at("proof.ndjson")).unwrap();
    fs::write(at("forged.ndjson"), proof.replace("\"bob\"", "\"eve\"")).unwrap();
    let refused = verify("forged.ndjson", &[]).fails(1);
    assert!(refused.contains("line 3:"), "{refused}");
    fs::write(at("other.json"), "{\"keys\":[]}").unwrap();
    let other = folder.run(&mut folder.tidings(["proof", "verify", "proof.ndjson", "--key", "other.json"]));
    assert!(other.fails(2).contains("no Ed25519 public key"));
}

#[test]
fn what_the_server_refuses_leaves_no_file() {
    let demo = Demo::start();
    let sent = demo.run(["send", "Unsigned", "--to", "all", "--json"]).succeeds();
    let id = serde_json::from_str::<Value>(&sent).unwrap()["id"].as_str().unwrap().to_owned();
    let refused = demo.run(["proof", "get", &id, "--out", "proof.ndjson"]).fails(4);
    assert!(refused.contains("openssl genpkey"), "{refused}");
    for name in ["proof.ndjson", "proof.ndjson.part"] {
        assert!(!demo.folder.path.path().join(name).exists(), "{name}");
    }
}
