//! The ear: one connection that hears what other processes committed and tells them what we did, looks each
//! second whether the database works, and counts what waits in the outbox.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Shared, address::reason, session::Session, silence::SILENT};
use crate::{StoreError, params, wakes::Wakes};

/// Notifications leave at most this often, each name once. One that is part of a user's transaction would make
/// all such transactions commit one after the other.
const EACH: Duration = Duration::from_millis(5);
/// How often the database is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Counting what waits may take this part of the time.
const COUNT_SHARE: u32 = 20;

/// What is to be told to other processes.
#[derive(Debug, Default)]
pub(super) struct Ear {
    untold: Mutex<BTreeSet<&'static str>>,
    told: Notify,
}

impl Ear {
    /// Wakes those who watch these names: here at once, elsewhere soon.
    pub(super) fn wake(&self, wakes: &Wakes, names: &[&'static str]) {
        if names.is_empty() {
            return;
        }
        for name in names {
            wakes.wake(name);
        }
        self.untold.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
        self.told.notify_one();
    }

    fn take(&self) -> BTreeSet<&'static str> {
        std::mem::take(&mut *self.untold.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Begins to listen on a connection.
pub(super) async fn open(session: &Session) -> Result<(), StoreError> {
    let listens = session.run("LISTEN tidings_wakes").await;
    listens.map_err(|error| StoreError::statement("LISTEN tidings_wakes", error))
}

/// Listens until the store closes; after a lost connection, on a new one.
pub(super) async fn listen(shared: &Arc<Shared>, first: Session, stop: CancellationToken) {
    let listening = async {
        let mut session = Some(first);
        loop {
            let Err(error) = hear(shared, session.take()).await;
            shared.pool.forget();
            shared.failing(&cause(&error));
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = listening => {}
    }
}

/// Listens on a connection, a new one if there is none, until it is lost.
async fn hear(shared: &Arc<Shared>, session: Option<Session>) -> Result<Infallible, StoreError> {
    let silent = || shared.pool.address().refused(SILENT);
    let session = if let Some(session) = session {
        session
    } else {
        let session = shared.pool.connect().await?;
        shared.silence.unless(open(&session)).await.ok_or_else(silent)??;
        // What was said while nobody listened.
        shared.wakes.wake_all();
        session
    };
    let failed = |error| StoreError::statement("LISTEN tidings_wakes", error);
    let mut count_at = Instant::now();
    let mut look_at = Instant::now();
    loop {
        tokio::select! {
            () = shared.ear.told.notified() => {
                let next = Instant::now() + EACH;
                for name in shared.ear.take() {
                    let said = params![shared.wakes.say(name)];
                    let telling = session.query("SELECT pg_notify('tidings_wakes', $1)", said);
                    shared.silence.unless(telling).await.ok_or_else(silent)?.map_err(failed)?;
                }
                tokio::time::sleep_until(next).await;
            }
            () = tokio::time::sleep_until(look_at) => {
                let looked = Instant::now();
                let looking = look(shared, &session, looked >= count_at);
                shared.silence.unless(looking).await.ok_or_else(silent)?.map_err(failed)?;
                shared.well();
                if looked >= count_at {
                    count_at = looked + LOOK.max(looked.elapsed() * COUNT_SHARE);
                }
                look_at = looked + LOOK;
            }
        }
    }
}

/// Looks whether the database works and, if it is time, how much waits in the outbox. A count of all rows: it
/// is true, needs nobody to keep it, and its price is bounded as the outbox is.
async fn look(shared: &Shared, session: &Session, count: bool) -> Result<(), tokio_postgres::Error> {
    if !count {
        return session.run("SELECT 1").await;
    }
    let (rows, _) = session.query("SELECT COUNT(*), COALESCE(SUM(bytes), 0) FROM outbox", &[]).await?;
    if let Some(row) = rows.first()
        && let (Ok(rows), Ok(bytes)) = (row.get(0), row.get(1))
    {
        shared.known.outbox_counted(rows, bytes);
    }
    Ok(())
}

fn cause(error: &StoreError) -> String {
    if let StoreError::Statement { source: crate::DriverError::Postgres(said), .. } = error {
        reason(said)
    } else {
        error.to_string()
    }
}
