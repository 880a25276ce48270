//! Routes: the six lines of the documentation as they stand, and what would come of a record.

use std::{fmt::Write as _, fs};

use serde_json::Value;

use crate::{
    kafka::{MISSING, brokers, unique},
    running::{Demo, Folder},
};

const PAGE: &str = include_str!("../../../../docs/routes.md");

/// The first block of a language after a heading or a sentence of the page.
fn block<'a>(after: &str, language: &str) -> &'a str {
    let rest = PAGE.split_once(after).unwrap_or_else(|| panic!("the page has `{after}`")).1;
    let begin = format!("```{language}\n");
    rest.split_once(&begin).and_then(|(_, rest)| rest.split_once("```")).expect("a block").0
}

/// What the page has about invoice 42 of Alice, about another one. Before anything else is put
/// in, because a port or a name may have the same digits.
fn invoice(of_the_page: &str, customer: &str, number: &str) -> String {
    of_the_page.replace("alice", customer).replace("42", number)
}

/// A folder with the settings of the page, and its way in.
fn folder() -> Folder {
    let folder = Folder::new();
    let settings = format!("{}\n{}", block("## Six lines", "toml"), block("HTTP is the way in", "toml"));
    fs::write(folder.path.path().join("tidings.toml"), settings).expect("a file in it");
    folder
}

#[test]
fn the_six_lines_bring_a_record_to_who_is_there_and_keep_it_for_who_is_not() {
    let demo = Demo::start_in(folder());
    let listen = |user: &str| demo.folder.start(&mut demo.tidings(["listen", "--user", user, "--json"]));
    let mut alice = listen("alice");
    alice.prints("\"type\":\"ready\"");
    for (customer, number) in [("alice", "42"), ("carol", "43")] {
        let script = invoice(block("HTTP is the way in", "sh"), customer, number);
        let script = script.replace("http://127.0.0.1:8080", &demo.url);
        let place = demo.folder.run(&mut demo.folder.script(&script)).succeeds();
        let place: Value = serde_json::from_str(&place).unwrap();
        assert_eq!(place["topic"], "invoices.paid");
    }
    alice.prints("Invoice 42 is paid");
    let mut carol = listen("carol");
    carol.prints("Invoice 43 is paid");
    assert!(!carol.out().contains("Invoice 42") && !alice.out().contains("Invoice 43"));

    let tested =
        demo.run(["routes", "test", "--topic", "invoices.paid", "--partition", "0", "--offset", "0"]);
    let shown = tested.out;
    let elsewhere = demo.run(["routes", "test", "--topic", "invoices.paid", "--offset", "9"]).fails(1);
    assert!(elsewhere.contains("`invoices.paid` has no record at 0@9"), "{elsewhere}");
    // Which partition a key has is murmur2's word; the other one says that there is nothing.
    assert!(shown.is_empty() || shown.contains("in the inbox"), "{shown}");
}

#[test]
fn the_six_lines_bring_a_record_that_another_program_wrote_to_kafka() {
    let Some(brokers) = brokers() else {
        println!("{MISSING}");
        return;
    };
    let folder = folder();
    let own = unique(&folder);
    // Names of the test's own, because others use the brokers, too.
    let mut settings = format!("{}\n[kafka]\ngroup_prefix = \"{own}-\"\n", block("## Six lines", "toml"));
    for topic in [
        "tidings-deliveries",
        "broadcast-messages",
        "broadcast-user-service-selected",
        "broadcast-user-service-group",
        "messages",
        "invoices.paid",
    ] {
        writeln!(settings, "[topics.\"{topic}\"]\nname = \"{own}-{topic}\"").unwrap();
    }
    fs::write(folder.path.path().join("tidings.toml"), settings).unwrap();
    let demo = Demo::start_with(folder, &[("KAFKA_BROKERS", brokers.as_str())]);
    let listen = |user: &str| demo.folder.start(&mut demo.tidings(["listen", "--user", user, "--json"]));
    let mut alice = listen("alice");
    alice.prints("\"type\":\"ready\"");
    let written =
        block("who is away finds it", "sh").lines().find(|line| line.contains(" produce ")).unwrap();
    for (customer, number) in [("alice", "42"), ("carol", "43")] {
        let line = invoice(written, customer, number);
        let line = line.replace("invoices.paid", &format!("{own}-invoices.paid"));
        let mut shell = demo.folder.shell(&line);
        demo.folder.run(shell.env("KAFKA_BOOTSTRAP_SERVERS", &brokers)).succeeds();
    }
    alice.prints("Invoice 42 is paid");
    listen("carol").prints("Invoice 43 is paid");
}

#[test]
fn a_route_is_tried_on_a_file_before_the_server_has_it() {
    let folder = folder();
    let file = folder.path.path().join("record.json");
    let test = |value: &str, more: &[&str]| {
        fs::write(&file, value).unwrap();
        let mut command =
            folder.tidings(["routes", "test", "--topic", "invoices.paid", "--file", "record.json"]);
        folder.run(command.args(more))
    };
    let shown = test(r#"{"customer_id":"alice","number":42}"#, &[]).succeeds();
    for part in
        ["route-invoices.paid-invoice.paid: a message", "to    user:alice", "(message, in the inbox, until 2"]
    {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let stored = r#"{"topic":"invoices.paid","partition":1,"offset":7,"timestamp":"2026-01-01T00:00:00.000Z","key":null,
        "headers":[["content-type","application/avro"]],"value":"x"}"#;
    let ended = test(stored, &["--json"]);
    assert_eq!(ended.status.code(), Some(1));
    let answer: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(answer["items"][0]["outcome"], "dead_letter");
    assert!(answer["items"][0]["reason"].as_str().unwrap().contains("`application/avro`"), "{answer}");
    assert!(ended.err.contains("1 of 1 routes would give the record up"), "{}", ended.err);

    let listed = folder.run(&mut folder.tidings(["routes", "list"])).succeeds();
    assert!(
        listed.contains("route-invoices.paid-invoice.paid") && listed.contains("user:{/customer_id}"),
        "{listed}"
    );
    let mut other = folder.tidings(["routes", "test", "--topic", "other", "--file", "record.json"]);
    let says = folder.run(&mut other).fails(2);
    assert!(says.contains("no route of the settings reads `other`; they read invoices.paid"), "{says}");
}

#[test]
fn a_route_that_does_not_hold_is_named_by_its_key_before_anything_starts() {
    let folder = folder();
    let settings = block("## Six lines", "toml").replace("{/customer_id}", "{customer_id}");
    fs::write(folder.path.path().join("tidings.toml"), settings).unwrap();
    let sentence =
        "routes[0].to[0] `{customer_id}` is no JSON Pointer: it begins with a slash, as in `{/customer_id}`";
    for command in [&["config", "check"][..], &["serve", "--demo", "--listen", "127.0.0.1:0"]] {
        let says = folder.run(&mut folder.tidings(command)).fails(1);
        assert_eq!(says, format!("tidings: {sentence}\n"));
    }
    let slip = block("## Six lines", "toml").replace("title ", "titel ");
    fs::write(folder.path.path().join("tidings.toml"), slip).unwrap();
    let says = folder.run(&mut folder.tidings(["config", "check"])).fails(1);
    assert!(says.contains("there is no key `titel`; did you mean `title`?"), "{says}");
}
