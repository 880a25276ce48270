//! `keys`: made, used, listed, revoked.

use serde_json::Value;

use crate::running::{Demo, Ended, eventually};

/// `send` by who has this token, and by nobody of the demo.
fn send(demo: &Demo, token: &str) -> Ended {
    let mut send = demo.folder.tidings(["send", "Deployed", "--to", "all"]);
    send.env("TIDINGS_SERVER", &demo.url).env("TIDINGS_TOKEN", token);
    demo.folder.run(&mut send)
}

#[test]
fn a_key_is_printed_once_listed_and_of_no_use_when_it_was_revoked() {
    let demo = Demo::start();
    let scopes = ["--scope", "broadcast:write message:write", "--scope", "broadcast:read"];
    let made =
        demo.run([&["keys", "create", "--name", "deploy", "--expires-in", "90d"][..], &scopes].concat());
    let key = made.out.trim_end().to_owned();
    assert!(key.starts_with("tdk_") && !key.contains(char::is_whitespace), "{made:?}");
    assert!(made.err.contains("it is not shown again") && !made.err.contains(&key), "{made:?}");
    assert!(send(&demo, &key).succeeds().starts_with("brd_"));

    let listed: Value = serde_json::from_str(&demo.run(["keys", "list", "--json"]).succeeds()).unwrap();
    let (known, id) = (&listed[0], listed[0]["id"].as_str().unwrap());
    assert_eq!((&known["name"], &known["state"]), (&"deploy".into(), &"valid".into()), "{listed}");
    assert_eq!(known["scopes"], serde_json::json!(["broadcast:read", "broadcast:write", "message:write"]));
    let time = |name: &str| known[name].as_str().unwrap().parse::<tidings_model::Timestamp>().unwrap();
    let life = time("expires_at").since(time("created_at"));
    assert!(life.as_secs().abs_diff(90 * 86_400) < 60, "{life:?}");
    assert!(time("last_used_at") >= time("created_at"));
    let table = demo.run(["keys", "list"]).succeeds();
    assert!(table.contains(id) && table.contains("deploy") && !table.contains(&key), "{table}");

    let revoked = demo.run(["keys", "revoke", id]).succeeds();
    assert!(revoked.contains(id) && revoked.contains("is revoked"), "{revoked}");
    let says = eventually("the key is refused", || {
        let sent = send(&demo, &key);
        (!sent.status.success()).then(|| sent.fails(4))
    });
    assert!(says.contains("401"), "{says}");
    assert!(demo.run(["keys", "list"]).succeeds().contains("revoked"));
}

#[test]
fn a_key_that_cannot_be_is_refused_with_the_reason() {
    let demo = Demo::start();
    let create = ["keys", "create", "--name", "n"];
    let says = demo.run(create).fails(2);
    assert!(says.contains("--scope"), "{says}");
    let says = demo.run([&create[..], &["--role", "editor"]].concat()).fails(4);
    assert!(says.contains("/roles a key has no role but `admin`"), "{says}");
    let says = demo.run(["keys", "revoke", "key_00000000000000000000000000"]).fails(4);
    assert!(says.contains("404"), "{says}");
    assert_eq!(demo.run(["keys", "list", "--json"]).succeeds().trim(), "[]");
}
