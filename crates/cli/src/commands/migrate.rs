//! `tidings migrate`.

use std::path::PathBuf;

use clap::Args;

use super::settings;
use crate::{failure::Failure, terminal::say};

/// Bring the database up to date, and end. `serve` does so too; this is for a step of its own before it.
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// The settings; `tidings.toml` in this folder if it is there.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Migrate {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let config = settings(self.config.as_ref())?;
        let database = tidings_server::migrate(&config)?;
        say(format!("{database} is up to date"))
    }
}
