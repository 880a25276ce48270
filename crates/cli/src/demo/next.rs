//! What to try next: lines that work as they are printed, in a second terminal in the same folder.

use std::path::Path;

/// Where the demo's commands must go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses<'a> {
    /// The public base address.
    pub(crate) server: &'a str,
}

/// The lines: a command, and what it shows.
pub(crate) fn lines(at: Addresses<'_>, broadcast: &str) -> Vec<(String, &'static str)> {
    // In a clone the script finds the newest binary; elsewhere the binary is on the path.
    let tidings = if Path::new("bin/tidings").exists() { "bin/tidings" } else { "tidings" };
    let server = differing("--server", at.server, "http://127.0.0.1:8080");
    let url = at.server;
    vec![
        (
            format!("{tidings} listen --user carol --demo{server}"),
            "carol gets what she missed, then what comes",
        ),
        (
            format!("{tidings} send \"Hello\" --to role:editor --demo{server}"),
            "to editors: alice alone is one",
        ),
        (format!("{tidings} send \"Lunch?\" --to user:bob --priority high --demo{server}"), "to bob alone"),
        (
            format!(
                "curl -N -H \"Authorization: Bearer $({tidings} token --sub alice --demo)\" {url}/api/v1/stream"
            ),
            "the same stream, without our client",
        ),
        (
            format!(
                "curl -H \"Authorization: Bearer $({tidings} token --sub admin --demo)\" {url}/api/v1/broadcasts/{broadcast}/stats"
            ),
            "how many have it",
        ),
    ]
}

/// The option, where the address is not its default.
fn differing(option: &str, address: &str, usual: &str) -> String {
    if address == usual { String::new() } else { format!(" {option} {address}") }
}
