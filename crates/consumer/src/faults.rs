//! Faults on purpose: a middleware around handlers, so that back-off, parking, dead letters and redrive can be tried
//! out without code for it in any handler.
//!
//! What fails lies in the database, so that one request makes it fail in every process. It is built in only where
//! the operator allows it.

use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use tidings_model::Record;
use tidings_store::{Row, StoreError, Tx, params};

use crate::{Handler, HandlerError, Options};

/// Attempts that a transient fault lets fail.
pub const TRANSIENT_ATTEMPTS: u32 = 2;
/// Records whose attempts are counted; past it, counting begins anew.
const COUNTED: usize = 10_000;
/// Faults that there may be at once.
pub const MOST_FAULTS: usize = 100;

/// How a fault fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The first attempts of each record fail, the next one works.
    Transient,
    /// Each record is rejected.
    Permanent,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Transient => "transient",
            Self::Permanent => "permanent",
        })
    }
}

/// A text that is no failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a failure is `transient` or `permanent`")]
pub struct UnknownFailure;

impl FromStr for Failure {
    type Err = UnknownFailure;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "transient" => Ok(Self::Transient),
            "permanent" => Ok(Self::Permanent),
            _other => Err(UnknownFailure),
        }
    }
}

/// What is to fail; what is absent restricts nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which fault.
    pub id: String,
    /// Records of this topic, by the name features know it by.
    pub topic: Option<String>,
    /// Records that this group handles.
    pub group: Option<String>,
    /// Records of this key.
    pub key: Option<String>,
    /// How.
    pub failure: Failure,
}

/// Lets records fail from the commit on. False: there are [`MOST_FAULTS`] already.
pub async fn plan(tx: &Tx, fault: &Fault) -> Result<bool, StoreError> {
    let Fault { id, topic, group, key, failure } = fault;
    let planned = tx
        .execute(
            "INSERT INTO consumer_faults (fault_id, topic, group_id, record_key, failure)
             SELECT $1, $2, $3, $4, $5
             WHERE (SELECT COUNT(*) FROM consumer_faults) < $6",
            params![id, topic.clone(), group.clone(), key.clone(), failure.to_string(), MOST_FAULTS],
        )
        .await?;
    Ok(planned == 1)
}

/// All faults.
pub async fn list(tx: &Tx) -> Result<Vec<Fault>, StoreError> {
    let sql = "SELECT fault_id, topic, group_id, record_key, failure FROM consumer_faults ORDER BY fault_id";
    tx.query(sql, params![]).await?.iter().map(fault).collect()
}

/// Lets nothing fail any more; answers how many faults there were.
pub async fn clear(tx: &Tx) -> Result<u64, StoreError> {
    tx.execute("DELETE FROM consumer_faults", params![]).await
}

fn fault(row: &Row) -> Result<Fault, StoreError> {
    Ok(Fault {
        id: row.get(0)?,
        topic: row.get(1)?,
        group: row.get(2)?,
        key: row.get(3)?,
        failure: row.parse(4)?,
    })
}

/// A handler that fails where it is told to.
pub struct Faulty {
    inner: Arc<dyn Handler>,
    // Partition and offset → attempts that were let fail.
    failed: Mutex<HashMap<(u32, u64), u32>>,
}

impl Faulty {
    /// Puts the middleware around a handler.
    pub fn around(inner: Arc<dyn Handler>) -> Arc<dyn Handler> {
        Arc::new(Self { inner, failed: Mutex::default() })
    }

    /// Whether one more attempt of a record fails.
    fn fails_once_more(&self, record: &Record) -> bool {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= COUNTED {
            failed.clear();
        }
        let count = failed.entry((record.partition, record.offset)).or_default();
        *count += 1;
        *count <= TRANSIENT_ATTEMPTS
    }
}

#[async_trait]
impl Handler for Faulty {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn topic(&self) -> &str {
        self.inner.topic()
    }

    fn group(&self) -> &str {
        self.inner.group()
    }

    fn batch(&self) -> usize {
        self.inner.batch()
    }

    fn options(&self, options: Options) -> Options {
        self.inner.options(options)
    }

    async fn reach_out(&self, record: &Record) -> Result<(), HandlerError> {
        self.inner.reach_out(record).await
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        let key = record.key.as_deref().map(String::from_utf8_lossy);
        for fault in list(tx).await? {
            let is_meant = fault.topic.as_deref().is_none_or(|topic| topic == self.topic())
                && fault.group.as_deref().is_none_or(|group| group == self.group())
                && fault.key.as_deref().is_none_or(|wanted| key.as_deref() == Some(wanted));
            match fault.failure {
                Failure::Permanent if is_meant => {
                    return Err(HandlerError::reject(format!("a permanent fault on purpose: {}", fault.id)));
                }
                Failure::Transient if is_meant && self.fails_once_more(record) => {
                    return Err(HandlerError::retry(format!("a transient fault on purpose: {}", fault.id)));
                }
                Failure::Permanent | Failure::Transient => {}
            }
        }
        self.inner.handle(record, tx).await
    }

    async fn gave_up(&self, record: &Record, tx: &Tx) -> Result<(), StoreError> {
        self.inner.gave_up(record, tx).await
    }
}
