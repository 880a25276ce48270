//! One connection, and the statements that were prepared on it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{TryStreamExt as _, future::try_join_all};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{AsyncMessage, Client, Connection, Error, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    address::Address,
    dialect,
    value::{Column, Param},
};
use crate::{Row, Value, wakes::Wakes};

/// What a connection is told first. A commit waits for the disk, whatever the server's default; nothing that
/// hangs or was forgotten holds a lock for long; a process that is stopped inside a transaction loses it. No statement of
/// ours takes as long as compiling it would.
const SETTINGS: &str = "SET statement_timeout = '30s';
    SET lock_timeout = '10s';
    SET idle_in_transaction_session_timeout = '10s';
    SET default_transaction_isolation = 'read committed';
    SET timezone = 'UTC';
    SET jit = off;
    SELECT set_config('synchronous_commit', 'on', FALSE) WHERE current_setting('synchronous_commit') = 'off'";

/// A connection.
pub(super) struct Session {
    client: Client,
    tls: MakeRustlsConnect,
    prepared: Mutex<HashMap<&'static str, Prepared>>,
}

#[derive(Clone, Debug)]
struct Prepared {
    statement: Statement,
    // Whether its answer is rows that it changed.
    writes: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_closed() { "a closed session" } else { "a session" })
    }
}

impl Session {
    /// Connects, and drives the connection on the runtime that this is called on. What is heard on it wakes.
    pub(super) async fn connect(address: &Address, wakes: &Arc<Wakes>) -> Result<Self, Error> {
        let (client, connection) = address.connect().await?;
        tokio::runtime::Handle::current().spawn(drive(connection, Arc::clone(wakes)));
        client.batch_execute(SETTINGS).await?;
        Ok(Self { client, tls: address.tls.clone(), prepared: Mutex::default() })
    }

    /// Whether the connection has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs statements without parameters, one after the other.
    pub(super) async fn run(&self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql).await
    }

    /// Ends the statement that runs now, if there is one.
    pub(super) async fn cancel(&self) {
        // A statement that has ended meanwhile needs no cancelling, and a server that is gone runs none.
        drop(self.client.cancel_token().cancel_query(self.tls.clone()).await);
    }

    /// Runs a statement; answers how many rows it changed.
    pub(super) async fn execute(&self, sql: &'static str, params: &[Value]) -> Result<u64, Error> {
        let prepared = self.prepare(sql).await?;
        self.client.execute_raw(&prepared.statement, params.iter().map(Param)).await
    }

    /// Runs a statement for each of these rows of parameters: all are sent before the first is answered.
    pub(super) async fn execute_all(
        &self,
        sql: &'static str,
        rows: &[Vec<Value>],
    ) -> Result<Vec<u64>, Error> {
        let Prepared { statement, .. } = self.prepare(sql).await?;
        let all = rows.iter().map(|row| self.client.execute_raw(&statement, row.iter().map(Param)));
        // The first that fails in their order is the reason; what comes behind it fails because of it.
        try_join_all(all).await
    }

    /// Runs a query; answers its rows, and whether it changed them.
    pub(super) async fn query(&self, sql: &'static str, params: &[Value]) -> Result<(Vec<Row>, bool), Error> {
        let prepared = self.prepare(sql).await?;
        let rows = self.client.query_raw(&prepared.statement, params.iter().map(Param)).await?;
        let row = |row: tokio_postgres::Row| {
            let columns = (0..row.len()).map(|column| Ok(row.try_get::<_, Column>(column)?.0));
            columns.collect::<Result<_, Error>>().map(Row)
        };
        let answer = rows.map_ok(row).try_collect::<Vec<_>>().await?;
        Ok((answer.into_iter().collect::<Result<_, _>>()?, prepared.writes))
    }

    /// The types of a statement's parameters.
    #[cfg(feature = "conformance")]
    pub(super) async fn types(&self, sql: &'static str) -> Result<Vec<String>, Error> {
        let prepared = self.prepare(sql).await?;
        Ok(prepared.statement.params().iter().map(|kind| kind.name().to_owned()).collect())
    }

    async fn prepare(&self, sql: &'static str) -> Result<Prepared, Error> {
        let known = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(prepared) = known {
            return Ok(prepared);
        }
        let writes = sql.contains("RETURNING");
        let prepared = Prepared { statement: self.client.prepare(&dialect::statement(sql)).await?, writes };
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert(sql, prepared.clone());
        Ok(prepared)
    }
}

/// Moves a connection's bytes until it ends.
async fn drive<S, T>(mut connection: Connection<S, T>, wakes: Arc<Wakes>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match std::future::poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notification(heard))) => wakes.hear(heard.payload()),
            Some(Ok(_notice)) => {}
            // Whoever uses the connection gets the error with the next statement.
            Some(Err(_)) | None => return,
        }
    }
}
