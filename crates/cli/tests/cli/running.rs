//! A demo server in a temporary folder, and commands that run beside it, each with a limit.

use std::{
    cell::Cell,
    ffi::OsStr,
    fs::{self, File},
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// The longest wait for anything that works.
const LIMIT: Duration = Duration::from_mins(1);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// The binary under test.
pub(crate) const TIDINGS: &str = env!("CARGO_BIN_EXE_tidings");

/// Looks until `look` finds something.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < LIMIT, "did not happen within {LIMIT:?}: {what}");
        std::thread::sleep(LOOK);
    }
}

/// A folder as a clone is: with `bin/tidings`, and nobody's settings.
pub(crate) struct Folder {
    pub(crate) path: TempDir,
    files: Cell<u32>,
}

/// A command on its way.
pub(crate) struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

/// A command that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let path = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(path.path().join("bin")).expect("a folder in it");
        std::os::unix::fs::symlink(TIDINGS, path.path().join("bin/tidings")).expect("a link to the binary");
        Self { path, files: Cell::new(0) }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.path.path())
            .env("XDG_STATE_HOME", self.path.path().join("state"))
            .stdin(Stdio::null());
        for name in
            ["RUST_LOG", "NO_COLOR", "DATABASE_URL", "TIDINGS_TOKEN", "TIDINGS_SERVER", "TIDINGS_ADMIN"]
        {
            command.env_remove(name);
        }
        command
    }

    /// `tidings` with these arguments, not yet started.
    pub(crate) fn tidings<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.command("bin/tidings");
        command.args(arguments);
        command
    }

    /// A line as somebody types it.
    pub(crate) fn shell(&self, line: &str) -> Command {
        self.script(&format!("exec {line}"))
    }

    /// Lines as somebody types them, one after the other; the first that fails ends them.
    pub(crate) fn script(&self, lines: &str) -> Command {
        let mut command = self.command("sh");
        command.args(["-ec", lines]);
        command
    }

    /// Starts a command; what it prints goes to files.
    pub(crate) fn start(&self, command: &mut Command) -> Running {
        let (out, err) = (self.fresh("out"), self.fresh("err"));
        let file = |path: &Path| File::create(path).expect("a file for what is printed");
        // A group of its own, so that what a shell started ends with it.
        command.process_group(0).stdout(file(&out)).stderr(file(&err));
        let child = command.spawn().expect("the command starts");
        Running { child, out, err }
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, command: &mut Command) -> Ended {
        self.start(command).end()
    }

    fn fresh(&self, ending: &str) -> PathBuf {
        self.files.set(self.files.get() + 1);
        self.path.path().join(format!("{}.{ending}", self.files.get()))
    }
}

impl Running {
    pub(crate) fn out(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }

    pub(crate) fn err(&self) -> String {
        fs::read_to_string(&self.err).unwrap_or_default()
    }

    /// Waits until it has printed this.
    pub(crate) fn prints(&mut self, text: &str) {
        let started = Instant::now();
        while !self.out().contains(text) {
            let ended =
                self.child.try_wait().expect("its status").is_some_and(|_| !self.out().contains(text));
            assert!(
                !ended && started.elapsed() < LIMIT,
                "no `{text}` in:\n{}\nbut:\n{}",
                self.out(),
                self.err()
            );
            std::thread::sleep(LOOK);
        }
    }

    /// Types a line, where its standard input is a pipe.
    pub(crate) fn types(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("a pipe to type into");
        writeln!(input, "{line}").expect("it reads what is typed");
    }

    /// Types nothing more.
    pub(crate) fn closes(&mut self) {
        self.child.stdin = None;
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {name}");
    }

    pub(crate) fn end(mut self) -> Ended {
        let status = eventually("the command ends", || self.child.try_wait().expect("its status"));
        Ended { status, out: self.out(), err: self.err() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended before.
        let group = format!("-{}", self.child.id());
        let _gone = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _reaped = self.child.wait();
    }
}

impl Ended {
    /// What it printed, if it succeeded.
    pub(crate) fn succeeds(self) -> String {
        assert!(self.status.success(), "{self:?}");
        self.out
    }

    /// What it said, if it failed with this exit code.
    pub(crate) fn fails(self, code: i32) -> String {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        assert_eq!(self.out, "", "a failure is told on the error stream");
        self.err
    }
}

/// A running demo.
pub(crate) struct Demo {
    pub(crate) folder: Folder,
    pub(crate) server: Running,
    pub(crate) url: String,
    pub(crate) admin: String,
}

impl Demo {
    pub(crate) fn start() -> Self {
        Self::start_in(Folder::new())
    }

    pub(crate) fn start_in(folder: Folder) -> Self {
        Self::start_with(folder, &[])
    }

    /// Starts it with these environment variables.
    pub(crate) fn start_with(folder: Folder, variables: &[(&str, &str)]) -> Self {
        let mut serve = folder.tidings(["serve", "--demo", "--listen", "127.0.0.1:0"]);
        serve.args(["--admin-listen", "127.0.0.1:0", "--ready-file", "ready.json"]);
        serve.envs(variables.iter().copied());
        let mut server = folder.start(&mut serve);
        server.prints("Ctrl-C stops it");
        let ready = fs::read_to_string(folder.path.path().join("ready.json")).expect("the file is written");
        let ready: serde_json::Value = serde_json::from_str(&ready).expect("it is JSON");
        let address = |name: &str| ready[name].as_str().expect("it has the address").to_owned();
        Self { url: address("server"), admin: address("admin"), folder, server }
    }

    /// `tidings` with these arguments, `--demo`, and this server's address.
    pub(crate) fn tidings<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.folder.tidings(arguments);
        command.arg("--demo").env("TIDINGS_SERVER", &self.url).env("TIDINGS_ADMIN", &self.admin);
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ended {
        self.folder.run(&mut self.tidings(arguments))
    }

    /// Stops the server as Ctrl-C does; the folder stays.
    pub(crate) fn stop(self) -> Folder {
        self.server.signal("-INT");
        self.server.end().succeeds();
        self.folder
    }
}
