//! `tidings serve`.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use tidings_config::Config;
use tidings_model::SystemClock;
use tidings_server::Server;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// Run the server.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The settings; `tidings.toml` in this folder if it is there.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The settings: the named file or `tidings.toml`, then the environment.
pub(crate) fn settings(file: Option<&PathBuf>) -> Result<Config, Failure> {
    let usual = PathBuf::from("tidings.toml");
    let file = file.cloned().or_else(|| usual.exists().then_some(usual));
    Ok(tidings_config::load(file.as_deref(), environment())?)
}

#[cfg(not(feature = "planted-bugs"))]
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars()
}

/// The environment without the fault that the crash suites choose by it: it is no setting.
#[cfg(feature = "planted-bugs")]
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars().filter(|(name, fault)| {
        let chosen = name == "TIDINGS_TESTING__PLANTED";
        if chosen {
            tidings_model::planted::choose(fault);
        }
        !chosen
    })
}

impl Serve {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let config = settings(self.config.as_ref())?;
        let filter = tracing_subscriber::EnvFilter::try_from_default_env()
            .unwrap_or_else(|_unset| tracing_subscriber::EnvFilter::new("info"));
        tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .init();
        #[cfg(feature = "planted-bugs")]
        tracing::warn!("this build has planted bugs; it is for the crash suites alone");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let seed = getrandom::u64().map_err(|cause| Failure::new(cause.to_string()))?;
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            let server = Server::start(config, Arc::new(SystemClock), seed).await?;
            tracing::info!(address = %server.address, "listening");
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("draining");
            server.drain().await;
            Ok(())
        })
    }
}
