//! The commands. `serve`, `migrate`, `config`, `token` and `proof verify` need no server; with `--brokers`, `topics`, `consume`,
//! `produce`, `groups`, `dead-letters` and `routes test` speak to Kafka; the others speak HTTP to a server.

mod chat;
mod config;
mod consume;
mod dead_letters;
mod groups;
mod keys;
mod listen;
mod migrate;
mod produce;
mod proof;
mod routes;
mod send;
mod serve;
mod token;
mod topics;
mod why;

use std::{future::Future, path::PathBuf};

use clap::{Parser, Subcommand};
use tidings_config::Config;

use crate::failure::Failure;

/// Carries a message to an audience, and can prove who got it.
#[derive(Debug, Parser)]
#[command(
    name = "tidings",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no server there, 4 the server refused."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::Serve),
    /// Say something to an audience.
    Send(send::Send),
    /// Show what somebody is told, as it comes.
    Listen(listen::Listen),
    /// Speak with somebody, or list the conversations.
    Chat(chat::Chat),
    /// Say whether somebody got a message, and why not.
    Why(why::Why),
    /// Fetch the signed proof of who got a broadcast, or check one.
    Proof(proof::Proof),
    /// Show the topics of the log.
    Topics(topics::Topics),
    /// Print the records of a topic.
    Consume(consume::Consume),
    /// Show what groups gave up, send it through again, forget it.
    DeadLetters(dead_letters::DeadLetters),
    /// Write records to a topic of a Kafka cluster.
    Produce(produce::Produce),
    /// Show the routes of the settings, and what they would make of a record.
    Routes(routes::Routes),
    /// Show how far the groups of a Kafka cluster are, and set it.
    Groups(groups::Groups),
    /// Bring the database up to date, and end.
    Migrate(migrate::Migrate),
    /// Mint a token for somebody.
    Token(token::Token),
    /// Make keys for services, list and revoke them.
    Keys(keys::Keys),
    /// Show or check the settings.
    Config(config::Settings),
}

pub(crate) fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Serve(serve) => serve.run(),
        Command::Send(send) => wait_for(send.run()),
        Command::Listen(listen) => wait_for(listen.run()),
        Command::Chat(chat) => wait_for(chat.run()),
        Command::Why(why) => wait_for(why.run()),
        Command::Proof(proof) => wait_for(proof.run()),
        Command::Topics(topics) => wait_for(topics.run()),
        Command::Consume(consume) => wait_for(consume.run()),
        Command::DeadLetters(letters) => wait_for(letters.run()),
        Command::Produce(produce) => wait_for(produce.run()),
        Command::Routes(routes) => wait_for(routes.run()),
        Command::Groups(groups) => wait_for(groups.run()),
        Command::Migrate(migrate) => migrate.run(),
        Command::Token(token) => token.run(),
        Command::Keys(keys) => wait_for(keys.run()),
        Command::Config(settings) => settings.run(),
    }
}

/// The settings: the named file or `tidings.toml`, then the environment.
pub(crate) fn settings(file: Option<&PathBuf>) -> Result<Config, Failure> {
    let usual = PathBuf::from("tidings.toml");
    let file = file.cloned().or_else(|| usual.exists().then_some(usual));
    Ok(tidings_config::load(file.as_deref(), environment())?)
}

#[cfg(not(feature = "planted-bugs"))]
fn environment() -> impl Iterator<Item = (String, String)> {
    tidings_config::environment()
}

/// The environment without the fault and the time that the crash suites choose by it: they are no settings.
#[cfg(feature = "planted-bugs")]
fn environment() -> impl Iterator<Item = (String, String)> {
    use tidings_model::planted;

    tidings_config::environment().filter(|(name, value)| {
        match name.as_str() {
            "TIDINGS_TESTING__PLANTED" => planted::choose(value),
            "TIDINGS_TESTING__AHEAD_SECS" => planted::set_ahead(value.parse().unwrap_or_default()),
            _setting => return true,
        }
        false
    })
}

/// Runs a command that speaks to a server; one thread is enough for it.
fn wait_for(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}
