//! Floors: servers that do one thing with nothing around it. They are bounds, not products: no authentication, no
//! limits, no slow clients.

mod creates;
mod fan_out;
mod orders;

use std::{io::Write as _, net::SocketAddr, path::PathBuf};

use clap::Subcommand;

use crate::Failure;

/// Which floor a process serves as.
#[derive(Debug, Subcommand)]
pub(crate) enum Floor {
    /// The statements of a broadcast behind one bare route.
    Creates {
        /// Where its database lies.
        #[arg(long)]
        folder: PathBuf,
        /// Whether handlers carry what was created to its delivery record, as in the server.
        #[arg(long)]
        handlers: bool,
    },
    /// One frame, encoded by who asks, written to so many sockets in a loop.
    FanOut {
        /// How many sockets.
        #[arg(long)]
        streams: usize,
    },
    /// A bare route for orders.
    Orders {
        /// Where the brokers are; without them, an order is answered at once.
        #[arg(long)]
        brokers: Option<String>,
        /// The topic, which is there.
        #[arg(long, default_value = "")]
        topic: String,
    },
}

impl Floor {
    /// Serves until the process is ended.
    pub(crate) fn serve(self) -> Result<(), Failure> {
        match self {
            Self::Creates { folder, handlers } => creates::serve(&folder, handlers),
            Self::FanOut { streams } => fan_out::serve(streams),
            Self::Orders { brokers, topic } => orders::serve(brokers.as_deref(), topic),
        }
    }
}

/// Tells who started the floor where it listens.
fn say(address: SocketAddr) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{address}")?;
    Ok(())
}
