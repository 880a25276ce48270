//! `config`, `migrate`, `token`, and `serve` with settings of one's own.

use std::fs;

use crate::running::{Demo, Folder};

#[test]
fn the_defaults_are_a_file_that_holds() {
    let folder = Folder::new();
    let defaults = folder.run(&mut folder.tidings(["config", "default"])).succeeds();
    fs::write(folder.path.path().join("tidings.toml"), defaults).unwrap();
    let says = folder.run(&mut folder.tidings(["config", "check"])).succeeds();
    assert_eq!(says, "the settings hold; people connect to 127.0.0.1:8080\n");
}

#[test]
fn a_file_that_does_not_hold_is_refused_with_the_nearest_name() {
    let folder = Folder::new();
    fs::write(folder.path.path().join("mine.toml"), "[server]\nlisen = \"127.0.0.1:1\"\n").unwrap();
    for command in [&["config", "check", "mine.toml"][..], &["serve", "--config", "mine.toml"]] {
        let says = folder.run(&mut folder.tidings(command)).fails(1);
        assert_eq!(says, "tidings: mine.toml: there is no key `lisen`; did you mean `listen`?\n");
    }
}

#[test]
fn the_database_is_brought_up_to_date_and_once_is_enough() {
    let folder = Folder::new();
    for _ in 0..2 {
        let says = folder.run(&mut folder.tidings(["migrate"])).succeeds();
        assert_eq!(says, "sqlite://data/tidings.db is up to date\n");
    }
    assert!(folder.path.path().join("data/tidings.db").exists());
}

#[test]
fn nothing_starts_with_a_secret_that_nobody_chose() {
    let folder = Folder::new();
    let says = folder.run(&mut folder.tidings(["serve", "--listen", "127.0.0.1:0"])).fails(1);
    assert!(says.contains("TIDINGS_AUTH__HS256_SECRET") && says.contains("--demo"), "{says}");
    let says = folder.run(&mut folder.tidings(["token", "--sub", "alice"])).fails(1);
    assert!(says.contains("TIDINGS_AUTH__HS256_SECRET"), "{says}");
}

#[test]
fn a_server_of_ones_own_takes_tokens_of_its_secret_and_stops_when_told() {
    let folder = Folder::new();
    fs::write(folder.path.path().join("secret"), "one secret of our own, 32 bytes and more\n").unwrap();
    let secret = |command: &mut std::process::Command| {
        command.env("TIDINGS_AUTH__HS256_SECRET_FILE", "secret").env("TIDINGS_ADMIN__LISTEN", "127.0.0.1:0");
    };
    let mut serve = folder.tidings(["serve", "--listen", "127.0.0.1:0", "--ready-file", "r.json"]);
    secret(&mut serve);
    let server = folder.start(&mut serve);
    let ready = crate::running::eventually("the server listens", || {
        fs::read_to_string(folder.path.path().join("r.json")).ok()
    });
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let mut mint = folder.tidings(["token", "--sub", "deploy", "--scope", "broadcast:write"]);
    secret(&mut mint);
    let token = folder.run(&mut mint).succeeds();
    let mut send = folder.tidings(["send", "Deployed", "--to", "all", "--token", token.trim()]);
    folder.run(send.env("TIDINGS_SERVER", ready["server"].as_str().unwrap())).succeeds();
    server.signal("-TERM");
    let ended = server.end();
    assert!(ended.status.success() && ended.out.is_empty(), "{ended:?}");
    for line in ended.err.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("logs are JSON: {line}"));
    }
    assert!(!ended.err.contains("one secret of our own"));
}

#[test]
fn a_topic_has_the_name_and_the_partitions_that_the_settings_give_it() {
    let folder = Folder::new();
    let settings = "[topics.\"broadcast-messages\"]\nname = \"acme.broadcasts\"\npartitions = 3\nretention_secs = 3600\n";
    fs::write(folder.path.path().join("tidings.toml"), settings).unwrap();
    let demo = Demo::start_in(folder);
    let table = demo.run(["topics"]).succeeds();
    let row =
        table.lines().find(|line| line.contains(" acme.broadcasts ")).unwrap_or_else(|| panic!("{table}"));
    assert!(row.contains("  3 ") && row.contains(" 1 h"), "{table}");
    assert!(!table.contains(" broadcast-messages "), "{table}");

    let folder = demo.stop();
    let settings = "[topics.\"broadcasts\"]\npartitions = 3\n";
    fs::write(folder.path.path().join("tidings.toml"), settings).unwrap();
    let says = folder.run(&mut folder.tidings(["serve", "--demo", "--listen", "127.0.0.1:0"])).fails(1);
    assert!(says.contains("topics.\"broadcasts\": no feature writes such a topic"), "{says}");
}
