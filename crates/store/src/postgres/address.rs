//! Where the database is, from its URL, and how to get a connection there.

use std::time::Duration;

use tokio_postgres::{Client, Config, Connection, Socket, config::TargetSessionAttrs, tls::MakeTlsConnect};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::tls::Said;
use crate::StoreError;

type RustlsStream<S> = <MakeRustlsConnect as MakeTlsConnect<S>>::Stream;

/// How long a connection may take to come about.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long sent bytes may go unacknowledged before the connection counts as lost.
const SILENCE_LIMIT: Duration = Duration::from_secs(10);

/// The address of a database.
#[derive(Clone)]
pub(super) struct Address {
    config: Config,
    pub(super) tls: MakeRustlsConnect,
    // Without the password, for errors.
    name: String,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        let name = name(url);
        let refused = |reason| StoreError::Open { path: name.clone(), reason };
        let said = Said::take(url).map_err(refused)?;
        let tls = said.connector().map_err(refused)?;
        let mut config: Config = said.rest.parse().map_err(|cause| StoreError::Open {
            path: name.clone(),
            reason: format!(
                "its address is not understood ({}); write postgres://user:password@host:5432/database",
                reason(&cause)
            ),
        })?;
        config
            .application_name("tidings")
            .ssl_mode(said.mode())
            .connect_timeout(CONNECT_LIMIT)
            .tcp_user_timeout(SILENCE_LIMIT)
            .keepalives_idle(SILENCE_LIMIT)
            // Where several hosts are named, the one that takes writes.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        Ok(Self { config, tls, name })
    }

    /// A connection: the client's half and the one that moves the bytes.
    pub(super) async fn connect(
        &self,
    ) -> Result<(Client, Connection<Socket, RustlsStream<Socket>>), tokio_postgres::Error> {
        self.config.connect(self.tls.clone()).await
    }

    /// Why it could not be opened.
    pub(super) fn refused(&self, reason: impl Into<String>) -> StoreError {
        StoreError::Open { path: self.name.clone(), reason: reason.into() }
    }
}

/// An error and its causes in one line: the outermost alone says "db error".
pub(super) fn reason(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(below) = cause {
        text = format!("{text}: {below}");
        cause = below.source();
    }
    text
}

/// The URL without user, password and parameters.
pub(crate) fn name(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let (rest, parameters) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    if parameters.contains('@') {
        // It cannot be told where the password ends: nothing of it may be shown.
        return format!("{scheme}://…");
    }
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    format!("{scheme}://{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_database_and_never_the_password() {
        let url = "postgres://tidings:p%40ss@db.internal:5433/tidings?connect_timeout=soon";
        let refused = Address::parse(url).unwrap_err().to_string();
        assert!(refused.contains("postgres://db.internal:5433/tidings"), "{refused}");
        assert!(!refused.contains("p%40ss") && !refused.contains("p@ss"), "{refused}");
        assert!(refused.contains("write postgres://user:password@host:5432/database"), "{refused}");
    }

    #[test]
    fn nothing_of_a_password_is_left_wherever_it_stands() {
        assert_eq!(name("postgres://tidings:secret@db/tidings?sslmode=require"), "postgres://db/tidings");
        for url in ["postgres://tidings:sec?ret@db/tidings", "postgres://db/tidings?password=sec@ret"] {
            assert!(!name(url).contains("sec") && !name(url).contains("ret"), "{}", name(url));
        }
    }
}
