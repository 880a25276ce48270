//! What to try next: lines that work as they are printed, in a second terminal in the same folder.

use std::path::Path;

/// Where the demo's commands must go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addresses<'a> {
    /// The public base address.
    pub(crate) server: &'a str,
    /// The operators' base address.
    pub(crate) admin: &'a str,
}

/// The lines: a command, and what it shows.
pub(crate) fn lines(at: Addresses<'_>, broadcast: &str) -> Vec<(String, &'static str)> {
    // In a clone the script finds the newest binary; elsewhere the binary is on the path.
    let tidings = if Path::new("bin/tidings").exists() { "bin/tidings" } else { "tidings" };
    let server = differing("--server", at.server, "http://127.0.0.1:8080");
    let admin = differing("--admin", at.admin, "http://127.0.0.1:8090");
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
        (format!("{tidings} why {broadcast} carol --demo{admin}"), "whether carol has it, and why not"),
        (format!("{tidings} why {broadcast} mallory --demo{admin}"), "somebody whom nobody told"),
        (format!("{tidings} topics --demo{admin}"), "what lies in the log"),
        (
            format!("{tidings} consume broadcast-messages --from-beginning --demo{admin}"),
            "each broadcast and each step of its life",
        ),
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
