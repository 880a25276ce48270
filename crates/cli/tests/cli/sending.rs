//! `send`: saved when it ends, and once however often it is repeated.

use serde_json::Value;

use crate::running::Demo;

#[test]
fn the_same_key_makes_one_broadcast_and_gives_one_answer() {
    let demo = Demo::start();
    let send = ["send", "Once", "--to", "user:bob", "--idempotency-key", "k1"];
    let first = demo.run(send).succeeds();
    assert!(first.starts_with("brd_") && first.contains("is on its way to user:bob"), "{first}");
    assert_eq!(demo.run(send).succeeds(), first);
    let says = demo.run(["send", "Another", "--to", "all", "--idempotency-key", "k1"]).fails(4);
    assert!(says.contains("422"), "{says}");
}

#[test]
fn what_is_given_arrives_as_given() {
    let demo = Demo::start();
    let send = ["send", "Come at noon", "--title", "Lunch", "--to", "user:bob", "--to", "user:nobody"];
    let further = ["--priority", "urgent", "--expires", "2h", "--json"];
    let answer = demo.run([&send[..], &further].concat()).succeeds();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&answer["title"], &answer["priority"]), (&"Lunch".into(), &"urgent".into()));
    assert_eq!(answer["target"]["ids"], serde_json::json!(["bob", "nobody"]));
    assert!(answer["idempotency_key"].as_str().unwrap().starts_with("cli-"), "{answer}");
    let time = |name: &str| answer[name].as_str().unwrap().parse::<tidings_model::Timestamp>().unwrap();
    let life = time("expires_at").since(time("created_at"));
    assert!(life.as_secs().abs_diff(7200) < 60, "{life:?}");

    let warned = demo.run(["send", "Hello?", "--to", "user:nobody"]);
    assert!(warned.err.contains("warning: the directory does not know `nobody`"), "{warned:?}");
    let heard = demo.run(["listen", "--user", "bob", "--count", "1"]).succeeds();
    assert!(heard.contains("Lunch: Come at noon"), "{heard}");
}
