//! The server under measure: the real binary, with a fresh database, its own defaults but for limits of rate.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tidings_api::Mint;
use tidings_model::SystemClock;

use crate::{Bench, Failure, http::Http, process::Process};

/// The secret that tokens of a run are signed with.
const SECRET: &str = "a secret of the benches, forty bytes long";
/// How long the server may take to answer after its start.
const READY: Duration = Duration::from_mins(1);
/// Between two looks.
pub(crate) const LOOK: Duration = Duration::from_millis(10);
/// How long tokens are valid.
const LIFE: Duration = Duration::from_hours(2);

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    /// The process.
    pub(crate) process: Process,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    mint: Mint,
    // Removed with everything in it when the server is dropped.
    folder: TempDir,
}

impl Server {
    /// A server on a fresh database.
    pub(crate) fn start(bench: &Bench) -> Result<Self, Failure> {
        Self::start_with(bench, &[])
    }

    /// The same with some of its environment.
    pub(crate) fn start_with(bench: &Bench, environment: &[(&str, &str)]) -> Result<Self, Failure> {
        Self::start_in(bench, TempDir::new_in(&bench.folder)?, environment)
    }

    /// A server on the database in a folder, fresh if there is none.
    pub(crate) fn start_in(
        bench: &Bench,
        folder: TempDir,
        environment: &[(&str, &str)],
    ) -> Result<Self, Failure> {
        let (address, admin) = (free_address()?, free_address()?);
        let log = std::fs::File::create(folder.path().join("server.log"))?;
        let mut process = Process::start(
            Command::new(&bench.binary)
                .arg("serve")
                .current_dir(folder.path())
                .env_clear()
                .env("TIDINGS_SERVER__LISTEN", address.to_string())
                .env("TIDINGS_ADMIN__LISTEN", admin.to_string())
                .env("TIDINGS_AUTH__HS256_SECRET", SECRET)
                .env("DATABASE_URL", format!("sqlite://{}", database(folder.path()).display()))
                .env("RUST_LOG", "warn")
                // The load is the test.
                .env("TIDINGS_LIMITS__REQUESTS_PER_SECOND", "100000")
                .env("TIDINGS_LIMITS__BROADCASTS_PER_MINUTE", "6000000")
                .envs(environment.iter().copied())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log),
        )?;
        let started = Instant::now();
        while !answers(address) {
            if process.ended() || started.elapsed() > READY {
                let said = std::fs::read_to_string(folder.path().join("server.log")).unwrap_or_default();
                return Err(format!("the server did not start: {said}").into());
            }
            std::thread::sleep(LOOK);
        }
        let mint = Mint::hs256(SECRET.as_bytes(), Arc::new(SystemClock));
        Ok(Self { process, address, admin, mint, folder })
    }

    /// The place up to which its streams have shown deliveries.
    pub(crate) fn shown(&self) -> Result<u64, Failure> {
        const NAME: &str = "tidings_delivery_shown_place ";
        let metrics = String::from_utf8(Http::connect(self.admin)?.get("/metrics", "")?.success()?)?;
        let shown = metrics.lines().find_map(|line| line.strip_prefix(NAME));
        Ok(shown.ok_or("the metrics tell no place")?.trim().parse()?)
    }

    /// Its database file.
    pub(crate) fn database(&self) -> PathBuf {
        database(self.folder.path())
    }

    /// A token for somebody who only listens.
    pub(crate) fn listener(&self, user: &str) -> Result<String, Failure> {
        Ok(self.mint.token(user, None, None, LIFE)?)
    }

    /// A token for somebody who may send and look.
    pub(crate) fn sender(&self, user: &str) -> Result<String, Failure> {
        self.with_scope(user, "broadcast:write broadcast:read")
    }

    /// A token for somebody who may do this.
    pub(crate) fn with_scope(&self, user: &str, scope: &str) -> Result<String, Failure> {
        Ok(self.mint.token(user, None, Some(scope.to_owned()), LIFE)?)
    }
}

/// The database file in a folder.
pub(crate) fn database(folder: &Path) -> PathBuf {
    folder.join("tidings.db")
}

fn answers(address: SocketAddr) -> bool {
    let asked = Http::connect(address).and_then(|mut http| http.get("/readyz", ""));
    asked.is_ok_and(|answer| answer.status < 500)
}

fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}
