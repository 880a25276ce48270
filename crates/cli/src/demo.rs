//! The demo: people to try Tidings with, on this machine alone, under a secret of this folder's own.
//!
//! The secret is made at the first start and lies beside the database, readable by its owner only. Whoever can read
//! it can speak as anybody of the demo, which is why it is never one that somebody else knows.

pub(crate) mod next;
pub(crate) mod show;

use std::{
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tidings_api::Mint;
use tidings_config::Config;
use tidings_model::SystemClock;

use crate::{commands::settings, failure::Failure};

/// The demo's administrator; has the role `admin` by their token.
pub(crate) const ADMIN: &str = "admin";
/// The demo's people, with their names and roles in the directory.
pub(crate) const PEOPLE: [(&str, &str, &[&str]); 3] =
    [("alice", "Alice", &["editor"]), ("bob", "Bob", &[]), ("carol", "Carol", &[])];

/// The secret's length in bytes, before it is written in base 16.
const SECRET_BYTES: usize = 32;
/// The secret's file, beside the database.
const SECRET_FILE: &str = "demo.secret";

/// A demo's secret.
pub(crate) struct Demo {
    secret: String,
}

impl Demo {
    /// The demo of this folder, which somebody has started before.
    pub(crate) fn here(config: Option<&PathBuf>) -> Result<Self, Failure> {
        let path = secret_path(&settings(config)?);
        match read(&path) {
            Ok(secret) => Ok(Self { secret }),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Err(Failure::new(format!(
                "no demo here ({} is not there): start it with `make run`, and run this in the same folder",
                path.display()
            ))),
            Err(cause) => Err(Failure::new(format!("cannot use {}: {cause}", path.display()))),
        }
    }

    /// The demo of these settings; makes the secret where there is none yet.
    pub(crate) fn prepare(config: &Config) -> Result<Self, Failure> {
        for (key, address) in [("server.listen", config.server.listen), ("admin.listen", config.admin.listen)]
        {
            on_this_machine(key, address)?;
        }
        let path = secret_path(config);
        let failed = |cause: io::Error| Failure::new(format!("cannot use {}: {cause}", path.display()));
        match read(&path) {
            Ok(secret) => Ok(Self { secret }),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                make(&path).map_err(failed)?;
                Ok(Self { secret: read(&path).map_err(failed)? })
            }
            Err(cause) => Err(failed(cause)),
        }
    }

    /// The secret, for the server of the demo.
    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    /// A token of somebody of the demo. Only the administrator's names roles: the others have the directory's.
    pub(crate) fn token(&self, person: &str, life: Duration) -> Result<String, Failure> {
        let roles = (person == ADMIN).then(|| vec!["admin".to_owned()]);
        let mint = Mint::hs256(self.secret.as_bytes(), Arc::new(SystemClock));
        mint.token(person, roles, None, life).map_err(Failure::new)
    }
}

/// Refuses an address that others could reach: anybody could become anybody there.
fn on_this_machine(key: &str, address: SocketAddr) -> Result<(), Failure> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "--demo is for this machine alone, and {key} is {address}: use 127.0.0.1, or start without --demo"
    )))
}

/// Beside the database; where that is no file, beside the one that it would be by itself.
fn secret_path(config: &Config) -> PathBuf {
    let beside = |url: &str| Some(Path::new(url.strip_prefix("sqlite://")?).with_file_name(SECRET_FILE));
    let otherwise = || beside(&Config::default().database.url);
    beside(&config.database.url).or_else(otherwise).unwrap_or_else(|| SECRET_FILE.into())
}

fn read(path: &Path) -> io::Result<String> {
    let refused = |reason| io::Error::new(io::ErrorKind::InvalidData, reason);
    if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        return Err(refused("others may read it; remove it and start the demo again"));
    }
    let secret = fs::read_to_string(path)?.trim().to_owned();
    if secret.len() < SECRET_BYTES {
        return Err(refused("it is too short; remove it and start the demo again"));
    }
    Ok(secret)
}

/// Writes a fresh secret under its name at once, so that nobody ever reads half of it.
fn make(path: &Path) -> io::Result<()> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let secret = bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let fresh = path.with_extension(format!("secret.{}", std::process::id()));
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?
        .write_all(secret.as_bytes())?;
    // Two starts at once agree on whichever came last; both read it back.
    fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Kind;

    fn demo_in(folder: &Path) -> Config {
        let mut config = Config::default();
        config.database.url = format!("sqlite://{}/data/t.db", folder.display());
        config
    }

    #[test]
    fn the_secret_is_made_once_and_nobody_else_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let config = demo_in(folder.path());
        let first = Demo::prepare(&config).unwrap();
        assert_eq!(Demo::prepare(&config).unwrap().secret, first.secret);
        let elsewhere = tempfile::tempdir().unwrap();
        assert_ne!(Demo::prepare(&demo_in(elsewhere.path())).unwrap().secret, first.secret);
        let path = folder.path().join("data/demo.secret");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Demo::prepare(&config), Err(why) if why.message().contains("others may read")));
    }

    #[test]
    fn the_secret_of_a_demo_on_a_server_lies_where_that_of_a_file_would() {
        let mut config = Config::default();
        let by_itself = secret_path(&config);
        config.database.url = "postgres://tidings@127.0.0.1:5432/tidings".to_owned();
        assert_eq!(secret_path(&config), by_itself);
        assert_eq!(by_itself, Path::new("data/demo.secret"));
    }

    #[test]
    fn the_demo_does_not_start_where_others_could_reach_it() {
        let folder = tempfile::tempdir().unwrap();
        for key in ["server.listen", "admin.listen"] {
            let mut config = demo_in(folder.path());
            let address =
                if key == "server.listen" { &mut config.server.listen } else { &mut config.admin.listen };
            *address = SocketAddr::from(([0, 0, 0, 0], 8080));
            assert!(
                matches!(Demo::prepare(&config), Err(why) if why.is(Kind::Usage) && why.message().contains(key)),
                "{key}"
            );
        }
    }
}
