//! `listen`: what somebody is told, once, from where they were.

use crate::running::Demo;

#[test]
fn a_listener_goes_on_where_it_was_and_shows_nothing_twice() {
    let demo = Demo::start();
    let carol = ["listen", "--user", "carol"];
    let mut listening = demo.folder.start(&mut demo.tidings(carol));
    listening.prints("The canteen closes at two today.");
    demo.run(["send", "While she listens", "--to", "user:carol"]).succeeds();
    listening.prints("While she listens");
    listening.signal("-INT");
    let seen = listening.end();
    assert!(seen.status.success(), "Ctrl-C is no failure: {seen:?}");

    demo.run(["send", "While she is away", "--to", "user:carol"]).succeeds();
    let next = demo.run([&carol[..], &["--count", "1"]].concat()).succeeds();
    assert!(next.contains("While she is away") && !next.contains("While she listens"), "{next}");
    assert!(!next.contains("canteen"), "{next}");
}

#[test]
fn a_listener_that_ends_amid_what_was_pending_goes_on_behind_it() {
    let demo = Demo::start();
    let mut sent = vec!["One", "Two", "Three"];
    for content in &sent {
        demo.run(["send", content, "--to", "user:dave"]).succeeds();
    }
    // Each start shows one that no start before has shown.
    while !sent.is_empty() {
        let out = demo.run(["listen", "--user", "dave", "--count", "1"]).succeeds();
        let before = sent.len();
        sent.retain(|content| !out.contains(content));
        assert_eq!(sent.len(), before - 1, "{out}");
    }
}

#[test]
fn a_listener_comes_back_when_the_server_does() {
    let demo = Demo::start();
    let mut listening = demo.folder.start(&mut demo.tidings(["listen", "--user", "bob"]));
    crate::running::eventually("bob listens", || listening.err().contains("bob listens").then_some(()));
    let port = demo.url.rsplit(':').next().unwrap().to_owned();
    let url = demo.url.clone();
    let folder = demo.stop();
    let mut serve = folder.tidings(["serve", "--demo", "--admin-listen", "127.0.0.1:0"]);
    let mut server = folder.start(serve.args(["--listen", &format!("127.0.0.1:{port}")]));
    server.prints("Ctrl-C stops it");
    let mut send = folder.tidings(["send", "After the restart", "--to", "user:bob", "--demo"]);
    folder.run(send.env("TIDINGS_SERVER", &url)).succeeds();
    listening.prints("After the restart");
    let seen = listening.out();
    assert_eq!(seen.matches("After the restart").count(), 1, "{seen}");
}

#[test]
fn as_json_each_line_is_a_frame() {
    let demo = Demo::start();
    let out = demo.run(["listen", "--user", "carol", "--json", "--count", "1"]).succeeds();
    let frames: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(frames[0]["type"], "ready", "{out}");
    assert_eq!(frames[1]["event"]["data"]["content"], "The canteen closes at two today.", "{out}");
}

#[test]
fn only_the_named_channels_are_heard() {
    let demo = Demo::start();
    demo.run(["send", "To editors", "--to", "role:editor"]).succeeds();
    let editors = ["listen", "--user", "alice", "--channels", "role:editor", "--session", "narrow"];
    let out = demo.run([&editors[..], &["--count", "1"]].concat()).succeeds();
    assert!(out.contains("To editors") && !out.contains("canteen"), "{out}");
}

#[test]
fn stored_text_does_not_act_on_the_terminal() {
    let demo = Demo::start();
    let says = "\u{1b}[2J\u{1b}]0;title\u{7} \u{9b}31m\nnext line \u{202e}txt";
    demo.run(["send", says, "--title", "\u{1b}c", "--to", "user:dave", "--to", "user:erin"]).succeeds();
    for (user, json) in [("dave", &[][..]), ("erin", &["--json"])] {
        let out = demo.run([&["listen", "--user", user, "--count", "1"], json].concat()).succeeds();
        let acts = |letter: char| (letter.is_control() && letter != '\n') || letter == '\u{202e}';
        assert!(!out.contains(acts), "{out:?}");
        assert!(out.contains("next line"), "{out:?}");
    }
}
