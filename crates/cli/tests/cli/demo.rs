//! `serve --demo`: what it shows is true, and every line that it prints works as printed.

use crate::running::{Demo, Folder};

/// What a line must show, by how it begins.
fn shows(line: &str) -> &'static str {
    match line {
        _ if line.contains(" listen ") => "The canteen closes at two today.",
        _ if line.contains(" send ") => "is on its way to",
        _ if line.contains(" why ") && line.contains(" mallory ") => "not_addressed (stranger)",
        _ if line.contains(" why ") => "carol",
        _ if line.contains(" topics ") => "broadcast-messages",
        _ if line.contains(" consume ") => "\"step\":\"ACTIVATED\"",
        _ if line.contains("/stream") => "event: ready",
        _ if line.contains("/stats") => "\"targeted\":3",
        _ => panic!("no test says what this line must show: {line}"),
    }
}

#[test]
fn a_broadcast_arrives_and_every_printed_line_works_as_printed() {
    let demo = Demo::start();
    let shown = demo.server.out();
    assert!(shown.contains("alice   has it after") && shown.contains("bob     has it after"), "{shown}");
    assert!(shown.contains("targeted 3, delivered 2, pending 1"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "no colours where nobody looks on");
    assert_eq!(demo.server.err(), "", "nothing is logged that a person did not ask for");

    let lines: Vec<&str> = shown
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| line.starts_with("bin/tidings ") || line.starts_with("curl "))
        .collect();
    assert!(lines.len() >= 8, "{shown}");
    for line in lines {
        let mut running = demo.folder.start(&mut demo.folder.shell(line));
        running.prints(shows(line));
        // Those that go on until Ctrl-C are ended by dropping them.
    }
}

#[test]
fn the_tour_of_the_readme_works_as_written() {
    let readme = include_str!("../../../../README.md");
    let tour = readme.split("## A tour").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks: Vec<&str> =
        tour.split("```sh\n").skip(1).filter_map(|block| block.split("```").next()).collect();
    let demo = Demo::start();
    let shown = demo.server.out();
    let id = shown.split_whitespace().find(|word| word.starts_with("brd_")).unwrap();
    // What each block of lines must have shown at its end.
    let ends = ["The canteen closes at two today.", "9 receipt", "event: ready", "billing"];
    assert_eq!(blocks.len(), ends.len(), "{tour}");
    for (block, end) in blocks.into_iter().zip(ends) {
        let block = block.replace("http://127.0.0.1:8080", &demo.url).replace("brd_…", id);
        let mut script = demo.folder.script(&block);
        let script = script.env("TIDINGS_SERVER", &demo.url).env("TIDINGS_ADMIN", &demo.admin);
        let mut running = demo.folder.start(script);
        running.prints(end);
        assert!(!running.err().contains("tidings: "), "{block}\n{}", running.err());
    }
}

#[test]
fn the_demo_starts_again_with_what_was_said_and_the_same_secret() {
    let demo = Demo::start();
    let secret = |folder: &Folder| std::fs::read(folder.path.path().join("data/demo.secret")).unwrap();
    let first = secret(&demo.folder);
    let again = Demo::start_in(demo.stop());
    assert_eq!(secret(&again.folder), first);
    assert!(again.server.out().contains("targeted 3, delivered 2, pending 1"), "{}", again.server.out());
    let missed = again.run(["listen", "--user", "carol", "--count", "2"]).succeeds();
    assert_eq!(missed.matches("The canteen closes at two today.").count(), 2, "{missed}");
}

#[test]
fn the_demo_serves_on_when_nobody_reads_its_output() {
    let demo = Folder::new();
    let line = "sh -c 'bin/tidings serve --demo --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --ready-file r.json \
                & echo $! > pid; wait' | head -n 1";
    let started = demo.start(&mut demo.shell(line));
    crate::running::eventually("the server listens", || {
        demo.path.path().join("r.json").exists().then_some(())
    });
    let ready = std::fs::read_to_string(demo.path.path().join("r.json")).unwrap();
    let url =
        serde_json::from_str::<serde_json::Value>(&ready).unwrap()["server"].as_str().unwrap().to_owned();
    let mut send = demo.tidings(["send", "Still here", "--to", "all", "--demo"]);
    demo.run(send.env("TIDINGS_SERVER", url)).succeeds();
    let stop = demo.shell("kill $(cat pid)").status().unwrap();
    assert!(stop.success(), "it still ran");
    started.end().succeeds();
}

#[test]
fn others_machines_never_reach_the_demo() {
    let folder = Folder::new();
    let says = folder.run(&mut folder.tidings(["serve", "--demo", "--listen", "0.0.0.0:0"])).fails(2);
    assert!(says.contains("--demo is for this machine alone, and server.listen is 0.0.0.0:0"), "{says}");
    assert!(!folder.path.path().join("data").exists(), "nothing was made");
}
