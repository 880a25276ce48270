//! The commands.

mod serve;
mod token;

use clap::{Parser, Subcommand};

use crate::failure::Failure;

/// Carries a message to an audience, and can prove who got it.
#[derive(Debug, Parser)]
#[command(name = "tidings", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::Serve),
    /// Mint a token for somebody.
    Token(token::Token),
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Serve(serve) => serve.run(),
        Command::Token(token) => token.run(),
    }
}
