//! A process under measure: what it burns and what it holds.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::Failure;

/// A child process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Self, Failure> {
        Ok(Self(command.spawn()?))
    }

    /// Starts a process that prints the address it listens on.
    pub(crate) fn listening(command: &mut Command) -> Result<(Self, SocketAddr), Failure> {
        let (process, line) = Self::telling(command)?;
        Ok((process, line.trim().parse()?))
    }

    /// Starts a process, and waits for the line that it prints when it has done its work.
    pub(crate) fn telling(command: &mut Command) -> Result<(Self, String), Failure> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("the process has no output")?;
        let process = Self(child);
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        Ok((process, line))
    }

    /// The seconds of processors that it has used: its own and the kernel's on its behalf.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        Ok(Stat::of(self.0.id())?.own)
    }

    /// What it has used since it had used `before`.
    pub(crate) fn cpu_since(&self, before: Duration) -> Result<Duration, Failure> {
        Ok(self.cpu()?.saturating_sub(before))
    }

    /// The memory that it holds, in bytes.
    pub(crate) fn resident(&self) -> Result<u64, Failure> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }

    fn proc(&self, file: &str) -> Result<String, Failure> {
        Ok(fs::read_to_string(format!("/proc/{}/{file}", self.0.id()))?)
    }

    /// Whether it has ended.
    pub(crate) fn ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

/// What the kernel says of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    /// Who started it.
    pub(crate) parent: u32,
    /// The seconds of processors that it has used, its own and the kernel's on its behalf.
    pub(crate) own: Duration,
    /// The same of its children that have ended.
    pub(crate) of_ended_children: Duration,
}

impl Stat {
    /// Of the process with this id.
    pub(crate) fn of(id: u32) -> Result<Self, Failure> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
        // The name in parentheses may hold spaces. Counted from behind it, the second field is the parent; the 12th to
        // the 15th are user and system time, and those of its children.
        let (_, fields) = stat.rsplit_once(')').ok_or("/proc/<pid>/stat has another form")?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |at: usize| -> Result<u64, Failure> {
            Ok(fields.get(at).ok_or("/proc/<pid>/stat is too short")?.parse()?)
        };
        let per_second = rustix::param::clock_ticks_per_second();
        let time =
            |at| Ok::<_, Failure>(Duration::from_millis((number(at)? + number(at + 1)?) * 1000 / per_second));
        Ok(Self { parent: u32::try_from(number(1)?)?, own: time(11)?, of_ended_children: time(13)? })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is over after this.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Tells a line to the one who started this process, and waits to be ended.
pub(crate) fn tell(line: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{line}")?;
    loop {
        std::thread::park();
    }
}
