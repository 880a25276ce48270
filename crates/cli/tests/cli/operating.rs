//! `why`, `topics`, `consume`: what operators ask.

use serde_json::Value;

use crate::running::{Demo, Folder, eventually};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|cause| panic!("{cause}: {text}"))
}

/// Sends, and answers the broadcast's id.
fn sent(demo: &Demo, arguments: &[&str]) -> String {
    let answer = demo.run([&["send"], arguments, &["--json"]].concat()).succeeds();
    json(&answer)["id"].as_str().expect("the answer has an id").to_owned()
}

/// The journey once it has this state.
fn journey(demo: &Demo, message: &str, user: &str, state: &str) -> Value {
    eventually(&format!("{message} is {state} for {user}"), || {
        let journey = json(&demo.run(["why", message, user, "--json"]).succeeds());
        (journey["state"] == state).then_some(journey)
    })
}

#[test]
fn why_says_who_has_it_who_does_not_and_the_reason() {
    let demo = Demo::start();
    let id = sent(&demo, &["To editors", "--to", "role:editor"]);
    let pending = journey(&demo, &id, "alice", "pending");
    assert!(pending["summary"].as_str().unwrap().contains("alice"), "{pending}");
    demo.run(["listen", "--user", "alice", "--count", "1"]).succeeds();
    let delivered = journey(&demo, &id, "alice", "delivered");
    let steps: Vec<&str> =
        delivered["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    let nine = ["create", "store", "relay", "log", "consume", "deliver", "push", "receive", "receipt"];
    assert_eq!(steps, nine);
    assert!(delivered["steps"].as_array().unwrap().iter().all(|step| step["done"] == true), "{delivered}");
    let place = delivered["steps"][3]["place"].as_str().unwrap();
    assert!(place.starts_with("broadcast-messages/"), "{place}");

    let stranger = journey(&demo, &id, "bob", "not_addressed");
    assert_eq!(stranger["reason"], "stranger");
    let nobody = demo.run(["why", &id, "nobody"]).succeeds();
    assert!(nobody.contains("the directory does not know them"), "{nobody}");
    assert!(nobody.contains("1 create") && nobody.contains("9 receipt"), "{nobody}");
}

#[test]
fn why_counts_who_joined_since_among_those_who_are_meant() {
    let demo = Demo::start();
    let id = sent(&demo, &["Before dave", "--to", "all"]);
    journey(&demo, &id, "dave", "not_addressed");
    // Enters the directory, and listens to nothing that was said.
    let elsewhere = ["listen", "--user", "dave", "--channels", "role:elsewhere"];
    let listening = demo.folder.start(&mut demo.tidings(elsewhere));
    eventually("dave listens", || listening.err().contains("dave listens").then_some(()));
    let pending = journey(&demo, &id, "dave", "pending");
    assert_eq!(pending["reason"], "narrowed", "{pending}");
}

#[test]
fn why_tells_what_was_taken_back_from_what_is_on_its_way() {
    let demo = Demo::start();
    let id = sent(&demo, &["Never mind", "--to", "user:carol"]);
    journey(&demo, &id, "carol", "pending");
    let cancel = format!(
        "curl -sf -X POST -H \"Authorization: Bearer $(bin/tidings token --sub admin --demo)\" {}/api/v1/broadcasts/{id}/cancel",
        demo.url
    );
    demo.folder.run(&mut demo.folder.shell(&cancel)).succeeds();
    let ended = journey(&demo, &id, "carol", "ended");
    assert_eq!(ended["reason"], "cancelled", "{ended}");
    let says = demo.run(["why", "brd_00000000000000000000000000", "carol"]).fails(4);
    assert!(says.contains("404"), "{says}");
}

#[test]
fn the_records_of_a_topic_are_printed_as_they_lie() {
    let demo = Demo::start();
    let ids: Vec<String> = (0..3).map(|n| sent(&demo, &[&format!("Record {n}"), "--to", "all"])).collect();
    let all = demo.run(["consume", "broadcast-messages", "--from-beginning"]).succeeds();
    for id in &ids {
        assert_eq!(all.lines().filter(|line| line.contains(&format!("  {id}  "))).count(), 1, "{all}");
    }
    let as_json = demo.run(["consume", "broadcast-messages", "--from-beginning", "--json"]).succeeds();
    let records: Vec<Value> = as_json.lines().map(json).collect();
    let of = |id: &str| records.iter().find(|record| record["key"] == id).unwrap();
    let (partition, offset) = (&of(&ids[0])["partition"], &of(&ids[0])["offset"]);
    assert!(of(&ids[0])["headers"].as_array().unwrap().iter().any(|header| header[0] == "ce_id"));

    let (partition, offset) = (partition.to_string(), offset.to_string());
    let one =
        ["consume", "broadcast-messages", "--partition", &partition, "--offset", &offset, "--limit", "1"];
    let one = demo.run(one).succeeds();
    assert!(one.contains(&ids[0]) && one.lines().count() == 1, "{one}");

    let table = demo.run(["topics"]).succeeds();
    assert!(
        table.lines().any(|line| line.contains(" broadcast-messages ") && line.contains(" 7 d")),
        "{table}"
    );
    let topics = json(&demo.run(["topics", "--json"]).succeeds());
    assert!(topics["items"].as_array().unwrap().iter().any(|topic| topic["name"] == "tidings-deliveries"));
}

#[test]
fn following_a_topic_shows_what_comes_until_ctrl_c() {
    let demo = Demo::start();
    let mut following = demo.folder.start(&mut demo.tidings(["consume", "broadcast-messages", "--follow"]));
    // What is sent before it looked is not for it: send until it shows one.
    let shown = eventually("a record is shown", || {
        let id = sent(&demo, &["Live", "--to", "all"]);
        following.out().contains("Live").then_some(id)
    });
    assert!(shown.starts_with("brd_"));
    assert!(!following.out().contains("canteen"), "{}", following.out());
    following.signal("-INT");
    following.prints("Live");
    assert!(following.end().status.success());
}

#[test]
fn operators_routes_are_for_operators_and_on_their_listener_alone() {
    let demo = Demo::start();
    let says = demo.run(["topics", "--admin", &demo.url]).fails(4);
    assert!(says.contains("404"), "{says}");
    let bob = demo.folder.run(&mut demo.folder.tidings(["token", "--sub", "bob", "--demo"])).succeeds();
    for command in [&["topics"][..], &["why", "brd_1", "bob"], &["consume", "x", "--from-beginning"]] {
        let mut command = demo.folder.tidings(command);
        command.env("TIDINGS_ADMIN", &demo.admin).env("TIDINGS_TOKEN", bob.trim());
        let says = demo.folder.run(&mut command).fails(4);
        assert!(says.contains("403") && says.contains("the token needs the scope"), "{says}");
    }
    let says = demo.run(["consume", "nothing", "--from-beginning"]).fails(1);
    assert!(says.contains("no topic `nothing`; there are ") && says.contains("broadcast-messages"), "{says}");
    let says = demo.run(["consume", "broadcast-messages"]).fails(2);
    assert!(says.contains("--from-beginning"), "{says}");
}

#[test]
fn the_log_tells_one_trace_from_the_request_to_the_push() {
    let demo =
        Demo::start_with(Folder::new(), &[("RUST_LOG", "warn,tidings_telemetry=debug,tidings_api=info")]);
    let lines = || demo.server.err();
    let traced = |line: &str| {
        let after = line.split("trace_id").nth(1)?;
        after.trim_start_matches(['=', '"', ':']).get(..32).map(str::to_owned)
    };
    let trace = eventually("the request's line names its trace", || {
        let said = lines();
        let create = said.lines().find(|line| line.contains("POST") && line.contains("/broadcasts"))?;
        traced(create)
    });
    eventually("the push names the same trace", || {
        let said = lines();
        let pushed = said.lines().find(|line| line.contains("pushed a delivery") && line.contains(&trace))?;
        assert!(pushed.contains("broadcast.created") && pushed.contains("connections=2"), "{pushed}");
        Some(())
    });
}

// covers B10
#[test]
fn the_log_has_a_line_for_each_record_with_its_place() {
    let demo = Demo::start_with(Folder::new(), &[("RUST_LOG", "warn,tidings_consumer=trace")]);
    eventually("a record of a broadcast has its line", || {
        let said = demo.server.err();
        let line = said.lines().find(|line| {
            line.contains("a record is done") && line.contains("broadcast-service-group-lifecycle")
        })?;
        for field in ["topic=", "broadcast-messages", "partition=", "offset=", "event.id="] {
            assert!(line.contains(field), "{field} is missing: {line}");
        }
        Some(())
    });
    eventually("what it said is in the finest lines", || {
        let said = demo.server.err();
        said.lines()
            .any(|line| line.contains("the value of a record") && line.contains("content"))
            .then_some(())
    });
}
