//! `chat`: two terminals speak, pipes are said line by line, and what becomes of it is shown.

use std::process::Stdio;

use serde_json::Value;

use crate::running::{Demo, eventually};

/// Somebody's chat with another, with a pipe to type into.
fn chat(demo: &Demo, user: &str, with: &str) -> crate::running::Running {
    let mut chat = demo.tidings(["chat", "--user", user, "--with", with]);
    demo.folder.start(chat.stdin(Stdio::piped()))
}

/// Says lines through a pipe.
fn piped(demo: &Demo, lines: &str, arguments: &[&str]) -> crate::running::Ended {
    let file = demo.folder.path.path().join("lines");
    std::fs::write(&file, lines).expect("a file of lines");
    let mut chat = demo.tidings([&["chat"], arguments].concat());
    demo.folder.run(chat.stdin(std::fs::File::open(file).expect("it is there")))
}

const ALICE: [&str; 4] = ["--user", "alice", "--with", "bob"];
const BOB: [&str; 4] = ["--user", "bob", "--with", "alice"];

/// The lines of messages alone: without times and states.
fn said(out: &str) -> Vec<String> {
    let text = |line: &str| Some(line.split_once(": ")?.1.split("  ").next()?.to_owned());
    out.lines().filter_map(text).collect()
}

#[test]
fn two_people_speak_and_who_spoke_sees_it_delivered_and_read() {
    let demo = Demo::start();
    let mut hers = chat(&demo, "alice", "bob");
    hers.types("Coffee?");
    hers.prints("#1  alice: Coffee?  sent");
    let mut his = chat(&demo, "bob", "alice");
    his.prints("#1  Alice: Coffee?");
    hers.prints("#1  read");
    his.types("In a minute");
    hers.prints("#2  Bob: In a minute");
    his.prints("#2  read");
    his.types("");
    his.types("Now");
    hers.prints("#3  Bob: Now");

    his.signal("-INT");
    let seen = his.end();
    assert!(seen.status.success(), "Ctrl-C is no failure: {seen:?}");
    hers.types("Where are you?");
    hers.prints("#4  alice: Where are you?  sent");
    hers.closes();
    let out = hers.end().succeeds();
    assert_eq!(said(&out), ["Coffee?", "In a minute", "Now", "Where are you?"], "each once:\n{out}");
    assert!(!out.contains('\u{1b}'), "no colours in a pipe: {out}");
}

#[test]
fn what_comes_through_a_pipe_is_said_line_by_line_and_answered_when_it_ends() {
    let demo = Demo::start();
    let wanted: Vec<String> = (1..=60).map(|number| format!("line {number}")).collect();
    let out = piped(&demo, &wanted.join("\n"), &ALICE).succeeds();
    assert_eq!(said(&out), wanted);
    // Nobody types: the last of it are shown, and it ends.
    let out = piped(&demo, "", &[&BOB[..], &["--last", "3"]].concat()).succeeds();
    assert_eq!(said(&out), ["line 58", "line 59", "line 60"]);
    let out = piped(&demo, "", &[&ALICE[..], &["--last", "1"]].concat()).succeeds();
    assert!(out.contains("#60  alice: line 60  read"), "he was shown it: {out}");
}

#[test]
fn as_json_each_line_is_a_message_or_a_state() {
    let demo = Demo::start();
    let lines = piped(&demo, "one\ntwo\u{9b}2J\n", &[&ALICE[..], &["--json"]].concat()).succeeds();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let contents: Vec<&Value> = lines.iter().map(|line| &line["data"]["content"]).collect();
    assert_eq!(contents, ["one", "two\u{9b}2J"]);
    assert!(lines.iter().all(|line| line["type"] == "message.created"), "{lines:?}");
    let mut chat = demo.tidings(["chat", "--user", "alice", "--with", "bob", "--json"]);
    let mut hers = demo.folder.start(chat.stdin(Stdio::piped()));
    hers.prints("\"two");
    piped(&demo, "", &BOB).succeeds();
    hers.prints("\"status\":\"READ\"");
}

#[test]
fn without_a_conversation_they_are_listed_the_last_one_spoken_in_first() {
    let demo = Demo::start();
    let list = |user: &str| demo.run(["chat", "--user", user]).succeeds();
    assert_eq!(list("carol"), "No conversations yet: begin one with --with USER.\n");
    piped(&demo, "Coffee?\n", &["--user", "alice", "--with", "carol"]).succeeds();
    piped(&demo, "Tea?\n", &["--user", "bob", "--with", "carol"]).succeeds();
    let listed = list("carol");
    let rows: Vec<Vec<&str>> = listed.lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(
        [rows[1][1..4].to_vec(), rows[2][1..4].to_vec()],
        [["Bob", "1", "Tea?"], ["Alice", "1", "Coffee?"]]
    );
    let json = demo.run(["chat", "--user", "carol", "--json"]).succeeds();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["items"][0]["conversation_id"], rows[1][0]);
    let out = piped(&demo, "", &["--user", "carol", "--conversation", rows[1][0]]).succeeds();
    assert_eq!(said(&out), ["Tea?"]);
}

#[test]
fn a_line_that_is_typed_while_the_server_is_away_is_said_once_it_is_back() {
    let demo = Demo::start();
    let other = demo.run(["send", "For her alone", "--to", "user:carol", "--json"]).succeeds();
    let other: Value = serde_json::from_str(&other).unwrap();
    let mut hers = chat(&demo, "carol", "bob");
    hers.types("before");
    hers.prints("#1  carol: before  sent");
    let (url, port) = (demo.url.clone(), demo.url.rsplit(':').next().unwrap().to_owned());
    let folder = demo.stop();
    hers.types("while it was away");
    hers.types("and more");
    let mut serve = folder.tidings(["serve", "--demo", "--admin-listen", "127.0.0.1:0"]);
    serve.args(["--listen", &format!("127.0.0.1:{port}"), "--ready-file", "again.json"]);
    let mut server = folder.start(&mut serve);
    server.prints("Ctrl-C stops it");
    hers.prints("#3  carol: and more");
    let mut bob = folder.tidings(["chat", "--user", "bob", "--with", "carol", "--demo"]);
    bob.env("TIDINGS_SERVER", &url).stdin(Stdio::piped());
    let mut his = folder.start(&mut bob);
    his.types("I heard");
    hers.prints("#4  Bob: I heard");
    hers.closes();
    let out = hers.end().succeeds();
    assert_eq!(said(&out), ["before", "while it was away", "and more", "I heard"], "each once:\n{out}");
    // What a chat does not show it does not confirm, however often it comes back.
    let ready = std::fs::read_to_string(folder.path.path().join("again.json")).expect("the file is written");
    let ready: Value = serde_json::from_str(&ready).unwrap();
    let mut why = folder.tidings(["why", other["id"].as_str().unwrap(), "carol", "--demo"]);
    let why = folder.run(why.env("TIDINGS_ADMIN", ready["admin"].as_str().unwrap())).succeeds();
    assert!(why.starts_with("pending"), "{why}");
}

#[test]
fn what_cannot_be_said_ends_a_pipe_with_its_reason() {
    let demo = Demo::start();
    let long = piped(&demo, &format!("short\n{}\nafter\n", "x".repeat((64 << 10) + 1)), &ALICE);
    assert_eq!(long.status.code(), Some(4), "{long:?}");
    assert!(long.err.contains("65537 bytes"), "{}", long.err);
    assert_eq!(said(&long.out), ["short"]);
    let foreign = ["--user", "carol", "--conversation", "cnv_00000000000000000000000000"];
    assert!(piped(&demo, "", &foreign).fails(4).contains("404"));
    assert!(piped(&demo, "", &["--user", "carol", "--with", "nobody"]).fails(4).contains("nobody"));
    assert!(
        piped(&demo, "", &["--user", "carol", "--with", "bob", "--conversation", "x"]).status.code()
            == Some(2)
    );
    let mut alone =
        demo.folder.tidings(["chat", "--with", "bob", "--token", "t", "--server", "http://127.0.0.1:1"]);
    assert!(demo.folder.run(&mut alone).fails(3).contains("no server"), "{alone:?}");
}

#[test]
fn in_a_terminal_names_have_colours_and_what_was_typed_is_not_said_again() {
    let demo = Demo::start();
    piped(&demo, "Coffee?\n", &BOB).succeeds();
    let line = "bin/tidings chat --user alice --with bob --demo";
    let mut terminal =
        demo.folder.script(&format!("exec script --quiet --return --command '{line}' /dev/null"));
    terminal.env("TIDINGS_SERVER", &demo.url).env("TERM", "xterm").stdin(Stdio::piped());
    let mut hers = demo.folder.start(&mut terminal);
    hers.prints("Bob\u{1b}[0m: Coffee?");
    hers.types("In a minute");
    hers.prints("#2\u{1b}[0m  \u{1b}[2msent");
    piped(&demo, "", &BOB).succeeds();
    eventually("she sees that he read it", || hers.out().contains("#2  read").then_some(()));
    // Ctrl-D.
    hers.types("\u{4}");
    let out = hers.end().succeeds();
    assert_eq!(out.matches("In a minute").count(), 1, "the terminal's echo alone: {out:?}");
}
