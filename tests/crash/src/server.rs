//! The server under test: a child process with a folder and a port of its own, which lives through many starts.

use std::{
    collections::HashSet,
    fs::OpenOptions,
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tidings_client::Client;
use tidings_model::{Clock, SystemClock, Timestamp};

use crate::letters::Desk;

/// The secret that tokens of a run are signed with.
pub const SECRET: &str = "a secret of the crash suites, forty bytes";
/// How soon a server must answer after its start, even if its last life ended in the middle of a commit.
pub const READY: Duration = Duration::from_secs(5);
/// Between two looks at a process or a port.
const LOOK: Duration = Duration::from_millis(10);

/// `TIME_WAIT` and `LISTEN`, as the kernel's table writes them: no peer, or none that costs anything.
const WITHOUT_BUFFERS: [&str; 2] = ["06", "0A"];

/// The clock of a server that leaps from life to life.
#[derive(Clone, Debug)]
pub struct LeapingClock(Arc<AtomicU64>);

impl Clock for LeapingClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(Duration::from_secs(self.0.load(Ordering::SeqCst)))
    }
}

/// A server that can be killed.
#[derive(Debug)]
pub struct Server {
    binary: PathBuf,
    folder: PathBuf,
    name: &'static str,
    address: SocketAddr,
    admin: SocketAddr,
    settings: Vec<(&'static str, String)>,
    child: Option<Child>,
    /// How long each life begins after the last one ended, by its own clock, beside the time that really passes.
    pub leap: Duration,
    ahead: Arc<AtomicU64>,
    /// How soon it must answer after its start.
    pub patience: Duration,
}

impl Server {
    /// A server that keeps everything in `folder`, and tells it in `<name>.log` there; `settings` are names and
    /// values of its environment.
    pub fn new(
        binary: &Path,
        folder: &Path,
        name: &'static str,
        settings: Vec<(&'static str, String)>,
    ) -> Self {
        Self {
            binary: binary.to_owned(),
            folder: folder.to_owned(),
            name,
            address: free_address(),
            admin: free_address(),
            settings,
            child: None,
            leap: Duration::ZERO,
            ahead: Arc::default(),
            patience: READY,
        }
    }

    /// Its base URL, the same in every life.
    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens, the same in every life.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where operators see its dead letters.
    pub fn desk(&self) -> Desk {
        Desk::new(&format!("http://{}", self.admin))
    }

    /// The file with all data.
    pub fn database(&self) -> PathBuf {
        self.folder.join("tidings.db")
    }

    /// Where it writes what it has to say.
    pub fn log(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    /// What its clock shows, and goes on showing while it is away.
    pub fn clock(&self) -> LeapingClock {
        LeapingClock(Arc::clone(&self.ahead))
    }

    /// Starts it, with a planted fault if one is named.
    pub fn start(&mut self, planted: Option<&str>) -> io::Result<()> {
        assert!(self.child.is_none(), "the last life is over");
        let ahead = self.ahead.fetch_add(self.leap.as_secs(), Ordering::SeqCst) + self.leap.as_secs();
        let log = OpenOptions::new().create(true).append(true).open(self.log())?;
        let mut command = Command::new(&self.binary);
        command
            .arg("serve")
            .current_dir(&self.folder)
            .env_clear()
            .env("TIDINGS_SERVER__LISTEN", self.address.to_string())
            .env("TIDINGS_ADMIN__LISTEN", self.admin.to_string())
            .env("TIDINGS_AUTH__HS256_SECRET", SECRET)
            .env("DATABASE_URL", format!("sqlite://{}", self.database().display()))
            .env("RUST_LOG", "info")
            // The load is the test.
            .env("TIDINGS_LIMITS__REQUESTS_PER_SECOND", "100000")
            .env("TIDINGS_LIMITS__BROADCASTS_PER_MINUTE", "6000000")
            .env("TIDINGS_TESTING__AHEAD_SECS", ahead.to_string())
            .envs(self.settings.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        if let Some(planted) = planted {
            command.env("TIDINGS_TESTING__PLANTED", planted);
        }
        self.child = Some(command.spawn()?);
        Ok(())
    }

    /// Waits until it answers; how long that took.
    pub async fn ready(&mut self) -> Result<Duration, String> {
        let client = Client::new(&self.base(), None).map_err(|cause| cause.to_string())?;
        let started = Instant::now();
        while started.elapsed() < self.patience {
            if self.is_over() {
                return Err(format!("the server ended at its start; see {}", self.log().display()));
            }
            let answer = client.get("/readyz").await;
            if answer.is_ok_and(|answer| !answer.status.is_server_error()) {
                return Ok(started.elapsed());
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(format!("the server did not answer within {} s", self.patience.as_secs()))
    }

    /// Kills it as `kill -9` does, and sees it dead.
    pub fn kill(&mut self) -> io::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Asks it to end, as an administrator does, and sees it ended: it finishes what it has in hand, within its grace.
    pub fn leave(&mut self) -> io::Result<()> {
        self.signal("TERM")?;
        if let Some(mut child) = self.child.take() {
            child.wait()?;
        }
        Ok(())
    }

    /// Stops it in its tracks, as `kill -STOP` does: it keeps its connections and believes that no time passes.
    pub fn freeze(&self) -> io::Result<()> {
        self.signal("STOP")
    }

    /// Lets it go on.
    pub fn thaw(&self) -> io::Result<()> {
        self.signal("CONT")
    }

    fn signal(&self, signal: &str) -> io::Result<()> {
        let Some(child) = &self.child else { return Ok(()) };
        let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status()?;
        if sent.success() { Ok(()) } else { Err(io::Error::other(format!("kill -{signal}: {sent}"))) }
    }

    /// Waits until it has ended by itself, at most `limit`. Answers whether it has.
    pub async fn ended(&mut self, limit: Duration) -> bool {
        let started = Instant::now();
        while started.elapsed() < limit {
            if self.is_over() {
                self.child = None;
                return true;
            }
            tokio::time::sleep(LOOK).await;
        }
        false
    }

    fn is_over(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().is_ok_and(|status| status.is_some()))
    }

    /// The memory that it holds, in bytes.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(self.of_process("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap_or_default();
        Ok(kilobytes * 1024)
    }

    /// The other ends of the connections that the kernel still holds for it, whatever these ends believe.
    ///
    /// A connection that the server closed behind a full window counts until its unsent bytes are forgotten.
    pub fn peers(&self) -> io::Result<HashSet<SocketAddr>> {
        let table = std::fs::read_to_string("/proc/net/tcp")?;
        let rows = table.lines().skip(1).filter_map(|row| {
            let mut fields = row.split_whitespace().skip(1);
            let (local, remote) = (kernel_address(fields.next()?)?, kernel_address(fields.next()?)?);
            let is_held = !WITHOUT_BUFFERS.contains(&fields.next()?);
            (local == self.address && is_held).then_some(remote)
        });
        Ok(rows.collect())
    }

    fn of_process(&self, file: &str) -> PathBuf {
        let id = self.child.as_ref().map_or(0, Child::id);
        PathBuf::from(format!("/proc/{id}/{file}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(cause) = self.kill()
            && !std::thread::panicking()
        {
            panic!("the server could not be killed: {cause}");
        }
    }
}

/// An address as the kernel's table writes it: `0100007F:1F90` is `127.0.0.1:8080`.
fn kernel_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let ip = Ipv4Addr::from(u32::from_str_radix(ip, 16).ok()?.to_ne_bytes());
    Some(SocketAddr::from((ip, u16::from_str_radix(port, 16).ok()?)))
}

/// An address that nobody has, outside the range of outgoing connections: while the server is dead, a client that
/// calls its port must never be given that very port for its own end.
fn free_address() -> SocketAddr {
    (0..1000)
        .map(|_| SocketAddr::from(([127, 0, 0, 1], fastrand::u16(12_000..32_000))))
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("a port is free")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_writes_addresses_in_the_order_of_the_machine() {
        assert_eq!(kernel_address("0100007F:1F90"), Some(SocketAddr::from(([127, 0, 0, 1], 8080))));
        assert_eq!(kernel_address("local_address"), None);
    }
}
