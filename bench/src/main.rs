//! Measures the real server, in a process of its own, beside *floors*: the least that the same work can cost on
//! this machine, in the same run. Ratios to a floor are what a run is for; its absolute figures belong to one
//! machine on one day.

mod clients;
mod crowd;
mod disk;
mod floors;
mod http;
mod keepers;
mod machine;
mod pairs;
mod people;
mod process;
mod rate;
mod readers;
mod report;
mod rows;
mod samples;
mod scenarios;
mod senders;
mod server;
mod sse;

use std::{io::Write as _, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

use crate::{
    floors::Floor, machine::Machine, readers::Reader, report::Report, scenarios::Scenario, senders::Sender,
};

/// What went wrong: a sentence for the person at the terminal.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, Parser)]
#[command(name = "tidings-bench", about = "Measures Tidings beside the floors of the same run.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs scenarios, all by default, and prints a table.
    Run(Bench),
    /// Serves as a floor; a run starts it by itself.
    #[command(subcommand, hide = true)]
    Floor(Floor),
    /// Reads a topic; a run starts it by itself.
    #[command(subcommand, hide = true)]
    Reader(Reader),
    /// Fills a topic; a run starts it by itself.
    #[command(subcommand, hide = true)]
    Sender(Sender),
}

/// How a run is made.
#[derive(Debug, clap::Args)]
struct Bench {
    /// Which scenarios.
    scenarios: Vec<Scenario>,
    /// The `tidings` to measure: a release build.
    #[arg(long, env = "TIDINGS_BENCH_BINARY")]
    binary: PathBuf,
    /// Brokers of a Kafka cluster, for the scenarios that need one.
    #[arg(long, env = "TIDINGS_TEST_KAFKA")]
    brokers: Option<String>,
    /// A PostgreSQL database with nothing in it, for the scenarios that need one.
    #[arg(long, env = "TIDINGS_TEST_POSTGRES")]
    postgres: Option<String>,
    /// The reader on Sarama, if it was built.
    #[arg(long, env = "TIDINGS_BENCH_SARAMA")]
    sarama: Option<PathBuf>,
    /// The service that takes orders on Sarama, if it was built.
    #[arg(long, env = "TIDINGS_BENCH_SARAMA_INGEST")]
    sarama_ingest: Option<PathBuf>,
    /// Where databases and the disk's own figure lie; the file system matters.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
    /// Where the figures go as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// A hundredth of the work: shows that a scenario runs, and no figure to quote.
    #[arg(long)]
    quick: bool,
}

impl Bench {
    /// An amount of work; a hundredth of it, but not less than `least`, in a quick run.
    fn amount(&self, full: usize, least: usize) -> usize {
        if self.quick { (full / 100).max(least) } else { full }
    }

    /// How long a load is kept up.
    fn duration(&self, full: Duration) -> Duration {
        if self.quick { Duration::from_secs(1) } else { full }
    }
}

fn run(bench: &Bench) -> Result<(), Failure> {
    machine::open_all_files()?;
    let machine = Machine::now();
    let scenarios = if bench.scenarios.is_empty() { Scenario::ALL.to_vec() } else { bench.scenarios.clone() };
    let mut report = Report::new(machine, std::env::args().collect());
    for scenario in scenarios {
        writeln!(std::io::stderr(), "{} …", scenario.title())?;
        report.add(scenario.title(), scenario.run(bench)?);
    }
    report.loaded_after();
    write!(std::io::stdout(), "{report}")?;
    if let Some(path) = &bench.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Run(bench) => run(&bench),
        Command::Floor(floor) => floor.serve(),
        Command::Reader(reader) => reader.read(),
        Command::Sender(sender) => sender.send(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            // Nobody is left to tell if this fails.
            drop(writeln!(std::io::stderr(), "tidings-bench: {cause}"));
            ExitCode::FAILURE
        }
    }
}
