//! PostgreSQL as the keeper: a few connections, transactions beside each other.
//!
//! Transactions run at READ COMMITTED. A stricter level would find every race by itself, but pays with aborted
//! transactions on exactly the rows that everybody moves (counters, progress), and its checks would have to
//! cover the order of the outbox too. So bodies lock what they build on, or change it by statements that say
//! what they expect; what is left are deadlocks, after which a body runs again. Reads are snapshots.
//!
//! The keeper has a runtime of its own: statements go on while the rest of the process is busy, a caller that
//! goes away leaves nothing half done, and opening and closing need no runtime around them.

mod address;
#[cfg(feature = "conformance")]
mod alone;
mod dialect;
mod ear;
mod errors;
mod lanes;
mod migrate;
mod pool;
mod run;
mod running;
mod session;
mod silence;
mod tls;
mod value;

pub(crate) use address::name;

use std::{
    future::Future,
    sync::{Arc, mpsc},
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::{oneshot, watch},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[cfg(feature = "conformance")]
pub(crate) use alone::{prepare_alone, run_alone};
pub(crate) use errors::is_unavailable;
pub(crate) use running::Running;

use crate::{
    Lane, StoreError, StoreHealth, StoreOptions, StoreStats, Tx, stats::Counters, tx::Known, wakes::Wakes,
};

/// Threads that drive connections and run bodies.
const THREADS: usize = 2;
/// Their name, by which a store that is dropped on one of them knows it.
const THREAD: &str = "store-postgres";
/// How long a store that closes waits for transactions that run.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// The database and what serves it.
#[derive(Debug)]
pub(crate) struct Postgres {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    stop: CancellationToken,
    // Taken when the store closes.
    runtime: Option<Runtime>,
}

/// What every transaction needs.
#[derive(Debug)]
struct Shared {
    pool: pool::Pool,
    lanes: lanes::Lanes,
    ear: ear::Ear,
    silence: silence::Silence,
    known: Arc<Known>,
    wakes: Arc<Wakes>,
    health: watch::Sender<StoreHealth>,
    counters: Counters,
    read_limit: Duration,
}

impl Shared {
    /// Says why it does not work; the ear says when it does again.
    fn failing(&self, reason: &str) {
        let was = self.health.send_replace(StoreHealth::Failing(reason.to_owned()));
        if was == StoreHealth::Well {
            tracing::error!(reason, "the database cannot be used; its callers get errors until it can");
        }
    }

    fn well(&self) {
        self.silence.broken();
        self.health.send_if_modified(|health| {
            let was_failing = *health != StoreHealth::Well;
            *health = StoreHealth::Well;
            was_failing
        });
    }
}

impl Postgres {
    /// Connects, brings the schema up to date, and starts to listen.
    pub(crate) fn open(
        url: &str,
        options: &StoreOptions,
        known: Arc<Known>,
        wakes: &Arc<Wakes>,
    ) -> Result<Self, StoreError> {
        let address = address::Address::parse(url)?;
        let refused = |cause: std::io::Error| address.refused(cause.to_string());
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name(THREAD)
            .enable_all()
            .build()
            .map_err(refused)?;
        let shared = Arc::new(Shared {
            pool: pool::Pool::new(address, Arc::clone(wakes)),
            lanes: lanes::Lanes::new(options),
            ear: ear::Ear::default(),
            silence: silence::Silence::default(),
            known,
            wakes: Arc::clone(wakes),
            health: watch::Sender::new(StoreHealth::Well),
            counters: Counters::default(),
            read_limit: options.read_limit,
        });
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let postgres = Self { shared, tasks, stop, runtime: Some(runtime) };
        postgres.prepare(options)?;
        Ok(postgres)
    }

    /// The first connection: it brings the schema up to date, then it is the ear. Waits for it, as opening a file would.
    fn prepare(&self, options: &StoreOptions) -> Result<(), StoreError> {
        let Some(runtime) = &self.runtime else { return Err(StoreError::Closed) };
        let (done, prepared) = mpsc::sync_channel(1);
        let (shared, migrations) = (Arc::clone(&self.shared), options.migrations.clone());
        self.tasks.spawn_on(
            async move {
                let prepared = async {
                    let session = shared.pool.connect().await?;
                    migrate::apply(&session, shared.pool.address(), &migrations).await?;
                    ear::open(&session).await?;
                    Ok(session)
                };
                // Whoever opens waits for it.
                drop(done.send(prepared.await));
            },
            runtime.handle(),
        );
        let session = prepared.recv().map_err(|_ended| StoreError::Closed)??;
        let (shared, stop) = (Arc::clone(&self.shared), self.stop.clone());
        self.tasks.spawn_on(async move { ear::listen(&shared, session, stop).await }, runtime.handle());
        Ok(())
    }

    pub(crate) async fn transact<T, E, F, Fut>(&self, lane: Lane, body: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let place = self.shared.lanes.place(lane).await.map_err(E::from)?;
        let shared = Arc::clone(&self.shared);
        self.spawn(async move {
            let work = Box::pin(async {
                let _writer = place.enter().await.map_err(E::from)?;
                run::transaction(&shared, body).await
            });
            shared.silence.or_work(|| shared.pool.address().refused(silence::SILENT), work).await
        })
        .await
    }

    pub(crate) async fn read<T, E, F, Fut>(&self, body: F) -> Result<T, E>
    where
        F: FnOnce(Tx) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let place = self.shared.lanes.read_place().map_err(E::from)?;
        let shared = Arc::clone(&self.shared);
        self.spawn(async move {
            let work = Box::pin(async {
                let _reader = place.enter().await.map_err(E::from)?;
                run::snapshot(&shared, body).await
            });
            shared.silence.or_work(|| shared.pool.address().refused(silence::SILENT), work).await
        })
        .await
    }

    /// Runs to its end whether or not the caller waits for it.
    async fn spawn<T, E>(&self, work: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let Some(runtime) = &self.runtime else { return Err(StoreError::Closed.into()) };
        let (reply, answer) = oneshot::channel();
        self.tasks.spawn_on(
            async move {
                // A caller that no longer waits does not need the answer; if dropping it panics, the task ends
                // here, with nothing left to do.
                drop(reply.send(work.await));
            },
            runtime.handle(),
        );
        answer.await.map_err(|_closed| E::from(StoreError::Closed))?
    }

    pub(crate) fn health(&self) -> watch::Receiver<StoreHealth> {
        self.shared.health.subscribe()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.shared.lanes.waiting()
    }

    pub(crate) fn stats(&self) -> StoreStats {
        self.shared.counters.read()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop.cancel();
        self.tasks.close();
        let Some(runtime) = self.runtime.take() else { return };
        if std::thread::current().name() == Some(THREAD) {
            // The last one to hold the store is a body: nobody can wait for itself.
            runtime.shutdown_background();
            return;
        }
        let tasks = self.tasks.clone();
        // A runtime is not waited for on a thread of another one, which this may be.
        let closing = std::thread::spawn(move || {
            let ended = runtime.block_on(async { tokio::time::timeout(CLOSE_LIMIT, tasks.wait()).await });
            if ended.is_err() {
                tracing::warn!("transactions still ran when the database was closed; they were given up");
            }
            runtime.shutdown_background();
        });
        // A thread that panicked has nothing left to end.
        drop(closing.join());
    }
}
