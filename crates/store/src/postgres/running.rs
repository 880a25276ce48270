//! A transaction on PostgreSQL: its connection, lent to the body for as long as it runs.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use super::{errors, session::Session};
use crate::{Row, StoreError, Value, params};

/// A transaction whose body runs, or has run.
#[derive(Debug)]
pub(crate) struct Running {
    // Present while the body runs; taken out when it ends.
    session: Mutex<Option<Arc<Session>>>,
    changed_rows: AtomicU64,
    wakes: Mutex<Vec<&'static str>>,
    // Statements whose answer has not come.
    in_flight: AtomicUsize,
    // A statement failed: PostgreSQL keeps nothing of the transaction, whatever the body says.
    failed: AtomicBool,
    // It failed because of another transaction.
    again: AtomicBool,
}

/// What a body leaves behind.
pub(super) struct Ended {
    // None if something still uses it.
    pub(super) session: Option<Session>,
    pub(super) wakes: Vec<&'static str>,
    pub(super) changed_rows: u64,
    pub(super) failed: bool,
    pub(super) again: bool,
}

/// A statement on its way.
struct InFlight<'a>(&'a AtomicUsize);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Running {
    pub(super) fn begin(session: Session) -> Arc<Self> {
        Arc::new(Self {
            session: Mutex::new(Some(Arc::new(session))),
            changed_rows: AtomicU64::new(0),
            wakes: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            again: AtomicBool::new(false),
        })
    }

    /// Ends the body's view and gives the connection back.
    pub(super) fn end(&self) -> Ended {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ended {
            session: session.and_then(Arc::into_inner),
            wakes: std::mem::take(&mut *self.wakes.lock().unwrap_or_else(PoisonError::into_inner)),
            changed_rows: self.changed_rows.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            again: self.again.load(Ordering::Relaxed),
        }
    }

    /// Ends the statement that runs now.
    pub(super) async fn cancel(&self) {
        if let Ok(session) = self.session() {
            session.cancel().await;
        }
    }

    /// Whether the body waits for the database, and not for something else.
    pub(super) fn waits(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }

    pub(crate) async fn execute(&self, sql: &'static str, params: &[Value]) -> Result<u64, StoreError> {
        let session = self.session()?;
        let _in_flight = self.enter();
        let changed = session.execute(sql, params).await.map_err(|error| self.failed(sql, error))?;
        self.changed_rows.fetch_add(changed, Ordering::Relaxed);
        Ok(changed)
    }

    pub(crate) async fn execute_all(
        &self,
        sql: &'static str,
        rows: &[Vec<Value>],
    ) -> Result<Vec<u64>, StoreError> {
        let session = self.session()?;
        let _in_flight = self.enter();
        let changed = session.execute_all(sql, rows).await.map_err(|error| self.failed(sql, error))?;
        self.changed_rows.fetch_add(changed.iter().sum(), Ordering::Relaxed);
        Ok(changed)
    }

    pub(crate) async fn query(&self, sql: &'static str, params: &[Value]) -> Result<Vec<Row>, StoreError> {
        let session = self.session()?;
        let _in_flight = self.enter();
        let (rows, writes) = session.query(sql, params).await.map_err(|error| self.failed(sql, error))?;
        if writes {
            self.changed_rows.fetch_add(rows.len() as u64, Ordering::Relaxed);
        }
        Ok(rows)
    }

    /// Takes the advisory lock of a name, held to the end of the transaction. Two names may share one by
    /// chance: then one waits without need.
    pub(crate) async fn lock(&self, what: &'static str, name: &str, shared: bool) -> Result<(), StoreError> {
        let sql = if shared {
            "SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))"
        } else {
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
        };
        self.query(sql, params![format!("{what}/{name}")]).await.map(drop)
    }

    /// Plans by indexes, to the end of the transaction: not by any way that reads more rows than it answers. A planner
    /// that believes a table to be small takes all ways for equal, and one of them compares each row with each.
    pub(crate) async fn by_index(&self) -> Result<(), StoreError> {
        let sql = "SELECT set_config(name, 'off', TRUE) FROM (VALUES ('enable_seqscan'), ('enable_hashjoin'),
                     ('enable_mergejoin'), ('enable_material'), ('enable_bitmapscan'), ('enable_sort')) AS ways (name)";
        self.query(sql, params![]).await.map(drop)
    }

    /// Plans each statement when it runs, to the end of the transaction.
    pub(crate) async fn plan_anew(&self) -> Result<(), StoreError> {
        let sql = "SELECT set_config('plan_cache_mode', 'force_custom_plan', TRUE)";
        self.query(sql, params![]).await.map(drop)
    }

    pub(crate) fn changed_rows(&self) -> u64 {
        let runs = self.session.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if runs { self.changed_rows.load(Ordering::Relaxed) } else { 0 }
    }

    pub(crate) fn wake(&self, what: &'static str) {
        let mut wakes = self.wakes.lock().unwrap_or_else(PoisonError::into_inner);
        if !wakes.contains(&what) {
            wakes.push(what);
        }
    }

    fn session(&self) -> Result<Arc<Session>, StoreError> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(StoreError::Closed)
    }

    fn enter(&self) -> InFlight<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(&self.in_flight)
    }

    fn failed(&self, sql: &str, error: tokio_postgres::Error) -> StoreError {
        self.failed.store(true, Ordering::Relaxed);
        if errors::again(&error) {
            self.again.store(true, Ordering::Relaxed);
        }
        StoreError::statement(sql, error)
    }
}
