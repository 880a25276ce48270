//! Failures: a sentence with the next step, an exit code, and never a panic or a secret.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStringExt as _,
    process::Stdio,
};

use crate::running::{Demo, Folder};

#[test]
fn a_server_that_is_not_there_is_told_with_the_next_step() {
    let demo = Demo::start();
    let url = demo.url.clone();
    let folder = demo.stop();
    for command in [&["send", "x", "--to", "all"][..], &["listen", "--user", "bob"]] {
        let mut command = folder.tidings(command);
        let says = folder.run(command.arg("--demo").env("TIDINGS_SERVER", &url)).fails(3);
        assert!(says.contains(&format!("no server at {url}: start it with `make run`")), "{says}");
    }
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_sent() {
    let folder = Folder::new();
    let cases: [(&[&str], i32, &str); 9] = [
        (&["send", "x", "--to", "all"], 2, "nobody asks: give --token, set TIDINGS_TOKEN, or use --demo"),
        (&["send", "x", "--to", "all", "--demo"], 1, "no demo here (data/demo.secret is not there)"),
        (&["send", "x", "--token", "t", "--to", "role:a", "--to", "all"], 2, "--to takes one kind at a time"),
        (&["send", "x", "--to", "everyone"], 2, "`everyone` is not a channel"),
        (&["send", "x", "--to", "all", "--expires", "soon"], 2, "use a time like"),
        (
            &["send", "x", "--to", "all", "--token", "t", "--server", "ftp://x"],
            2,
            "`ftp://x` is not a base URL",
        ),
        (&["listen", "--demo"], 2, "--user"),
        (&["token", "--sub", ""], 2, "a user id must have 1 to 256 bytes"),
        (&["frobnicate"], 2, "unrecognized subcommand"),
    ];
    for (arguments, code, sentence) in cases {
        let says = folder.run(&mut folder.tidings(arguments)).fails(code);
        assert!(says.contains(sentence), "{arguments:?}: {says}");
    }
    let binary = [OsStr::new("send"), &OsString::from_vec(vec![0xff, 0xfe]), OsStr::new("--to=all")];
    assert!(folder.run(&mut folder.tidings(binary)).fails(2).contains("UTF-8"));
}

#[test]
fn what_the_server_refuses_is_told_in_its_words_and_the_token_is_not() {
    let demo = Demo::start();
    let says = demo.run(["send", " ", "--to", "all"]).fails(4);
    assert!(says.contains("/content must say something"), "{says}");
    let forged = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.";
    for command in [&["send", "x", "--to", "all"][..], &["listen"]] {
        let mut command = demo.folder.tidings(command);
        command.env("TIDINGS_SERVER", &demo.url).env("TIDINGS_TOKEN", forged);
        let says = demo.folder.run(&mut command).fails(4);
        assert!(says.contains("401") && says.contains("tidings token"), "{says}");
        assert!(!says.contains(forged), "{says}");
    }
    let bob = demo.folder.run(&mut demo.folder.tidings(["token", "--sub", "bob", "--demo"])).succeeds();
    let mut send = demo.folder.tidings(["send", "x", "--to", "all"]);
    let says =
        demo.folder.run(send.env("TIDINGS_SERVER", &demo.url).env("TIDINGS_TOKEN", bob.trim())).fails(4);
    assert!(says.contains("403") && says.contains("broadcast:write"), "{says}");
}

#[test]
fn a_reader_who_has_enough_is_no_failure() {
    let demo = Demo::start();
    let commands: [&[&str]; 3] =
        [&["config", "doc"], &["listen", "--user", "carol", "--demo"], &["token", "--sub", "x", "--demo"]];
    for command in commands {
        let mut command = demo.folder.tidings(command);
        command.env("TIDINGS_SERVER", &demo.url).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        let says = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && !says.contains("panicked"), "{command:?}: {ended:?}");
    }
}

#[test]
fn a_port_that_is_taken_is_told_with_the_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = Folder::new();
    let address = taken.local_addr().unwrap().to_string();
    let says = folder.run(&mut folder.tidings(["serve", "--demo", "--listen", &address])).fails(1);
    assert!(says.contains(&format!("could not listen on {address}")), "{says}");
    assert!(says.contains("--listen 127.0.0.1:0"), "{says}");
}
