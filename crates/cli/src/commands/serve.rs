//! `tidings serve`.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use tidings_config::{Config, LogFormat, Role};
use tidings_model::SystemClock;
use tidings_server::{Server, StartError};
use tokio::signal::unix::{SignalKind, signal};

use super::settings;
use crate::{
    demo::{Demo, next, show},
    failure::{Failure, Kind, chain},
    terminal::{Paint, say},
};

/// Run the server until it is told to stop (SIGTERM, Ctrl-C); what is in hand is finished first.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// With demo people, on this machine alone: shows a broadcast on its way, then what to try next.
    #[arg(long)]
    demo: bool,
    /// Where people connect, instead of `server.listen`; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where operators connect, instead of `admin.listen`; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<SocketAddr>,
    /// Which parts of the work this process does, instead of `server.roles`: api, relay, consumers, gateway.
    #[arg(long, value_name = "ROLE,…", value_delimiter = ',')]
    roles: Vec<Role>,
    /// A file that is written once the server listens: {"server": URL, "admin": URL}.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// The settings; `tidings.toml` in this folder if it is there.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Serve {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut config = settings(self.config.as_ref())?;
        config.server.listen = self.listen.unwrap_or(config.server.listen);
        config.admin.listen = self.admin_listen.unwrap_or(config.admin.listen);
        if !self.roles.is_empty() {
            config.server.roles = self.roles;
        }
        let demo = self.demo.then(|| prepare(&mut config)).transpose()?;
        log_to_stderr(&config)?;
        #[cfg(feature = "planted-bugs")]
        tracing::warn!("this build has planted bugs; it is for the crash suites alone");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(serve(config, demo.as_ref(), self.ready_file.as_deref()))
    }
}

/// Makes the settings those of the demo: its secret and nobody else's keys, and a quiet terminal.
fn prepare(config: &mut Config) -> Result<Demo, Failure> {
    let demo = Demo::prepare(config)?;
    config.auth = tidings_config::AuthConfig {
        hs256_secret: Some(demo.secret().to_owned()),
        ..tidings_config::AuthConfig::default()
    };
    config.logs.format = LogFormat::Text;
    if tidings_config::variable("RUST_LOG").is_none() {
        "warn".clone_into(&mut config.logs.level);
    }
    Ok(demo)
}

async fn serve(config: Config, demo: Option<&Demo>, ready_file: Option<&Path>) -> Result<(), Failure> {
    let seed = getrandom::u64().map_err(|cause| Failure::new(cause.to_string()))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server =
        Server::start(config, Arc::new(SystemClock), seed).await.map_err(|cause| not_started(&cause))?;
    let (base, admin) = (format!("http://{}", server.address), format!("http://{}", server.admin_address));
    tracing::info!(address = %server.address, admin = %server.admin_address, "listening");
    if let Some(file) = ready_file {
        tell(file, &base, &admin)?;
    }
    let running = async {
        if let Some(demo) = demo {
            let shown = Box::pin(tour(demo, &server, (&base, &admin))).await;
            // The demo serves on when its output is closed: only what was to be seen is over.
            if shown.as_ref().is_err_and(|failure| !failure.is(Kind::Enough)) {
                return shown;
            }
        }
        std::future::pending::<Result<(), Failure>>().await
    };
    let ended = tokio::select! {
        failed = running => failed,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    tracing::info!("draining");
    server.drain().await;
    ended
}

/// Shows a broadcast on its way, then what to try next.
async fn tour(demo: &Demo, server: &Server, (base, admin): (&str, &str)) -> Result<(), Failure> {
    let paint = Paint::stdout();
    say(format!("\nTidings runs on {}; operators use {admin}\n", paint.bold(base)))?;
    show::enter_people(server).await?;
    let broadcast = Box::pin(show::play(paint, demo, base)).await?;
    say("Try in a second terminal, in this folder:\n")?;
    for (command, shows) in next::lines(next::Addresses { server: base, admin }, &broadcast) {
        say(format!("  {command}"))?;
        say(paint.faint(format!("      # {shows}")))?;
    }
    say("\nCtrl-C stops it. What was said stays in data/.")
}

/// Writes where the server listens, whole or not at all.
fn tell(file: &Path, base: &str, admin: &str) -> Result<(), Failure> {
    let failed = |cause| Failure::new(format!("cannot write {}: {cause}", file.display()));
    let fresh = file.with_extension(format!("{}", std::process::id()));
    let text = serde_json::json!({ "server": base, "admin": admin }).to_string();
    fs::write(&fresh, text).map_err(failed)?;
    fs::rename(&fresh, file).map_err(failed)
}

fn not_started(error: &StartError) -> Failure {
    let next = match error {
        StartError::Listen { .. } => {
            "; another server may run there: stop it, or take a free port with --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0"
        }
        StartError::Setting(_) | StartError::Store(_) | StartError::Mark(_) | StartError::Log(_) => "",
    };
    Failure::new(format!("{}{next}", chain(error)))
}

fn log_to_stderr(config: &Config) -> Result<(), Failure> {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.logs.level)
        .map_err(|cause| Failure::new(format!("logs.level is `{}`: {cause}", config.logs.level)))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.logs.format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.compact().with_target(false).with_ansi(false).init(),
    }
    Ok(())
}
