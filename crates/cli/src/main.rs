//! The one binary: `tidings serve` runs the server, the other commands talk to it.

mod bookmark;
mod commands;
mod demo;
mod expiry;
mod failure;
mod kafka;
mod reach;
mod table;
mod terminal;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = commands::Arguments::parse();
    match commands::run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
