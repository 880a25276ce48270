//! The binary under test: the real `tidings`, built with the planted bugs in it and none of them chosen.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::settings::Settings;

/// The binary that the environment names, or the one that cargo makes now.
pub fn binary(settings: &Settings) -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| settings.binary.clone().unwrap_or_else(build))
}

fn build() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut cargo = Command::new(env!("CARGO"));
    // What cargo says of the test to the test would make it build anew the crates that read it.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(name);
        }
    }
    let output = cargo
        .current_dir(workspace)
        .args(["build", "--quiet", "--package", "tidings-cli", "--features", "planted-bugs"])
        .args(["--message-format", "json"])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made = output.stdout.split(|byte| *byte == b'\n').find_map(|line| {
        let message: serde_json::Value = serde_json::from_slice(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    let made = made.expect("cargo says where the binary is");
    // A name of its own: the next ordinary build replaces the other one while a run still starts this one.
    let own = made.with_file_name("tidings-planted");
    // Anew, not over: another run may still have the last one open.
    if own.exists() {
        std::fs::remove_file(&own).expect("the last copy can be removed");
    }
    std::fs::copy(&made, &own).expect("the binary can be copied");
    own
}
