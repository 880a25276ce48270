//! `tidings config`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::settings;
use crate::{failure::Failure, terminal::say};

/// Show or check the settings.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print a file with every setting at its default.
    Default,
    /// Read the file and the environment as the server would.
    Check {
        /// The file; `tidings.toml` in this folder if it is there.
        file: Option<PathBuf>,
    },
    /// Print the reference, as Markdown.
    Doc,
}

impl Settings {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self.what {
            What::Default => say(tidings_config::default_file().trim_end()),
            What::Doc => say(tidings_config::reference().trim_end()),
            What::Check { file } => {
                let config = settings(file.as_ref())?;
                tidings_server::check(&config)?;
                say(format!("the settings hold; people connect to {}", config.server.listen))
            }
        }
    }
}
