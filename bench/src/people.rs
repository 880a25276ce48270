//! A directory of many people, entered through the store before the server starts.

use std::{path::Path, sync::Arc};

use tidings::{Deps, Ingest, Online, Signals};
use tidings_delivery::{
    DELIVERIES_TOPIC,
    change::{self, Wish},
};
use tidings_log::{EmbeddedLog, Log, TopicConfig};
use tidings_model::{Clock, Ids, SystemClock, UserId};
use tidings_store::{Lane, Store, StoreOptions};

use crate::{Failure, server};

/// People that one transaction enters.
const SLICE: usize = 100;
/// Transactions that wait for the writer at once, so that several share a commit.
const SLICES: usize = 32;

/// The store in a folder, with the tables and topics that a broadcast meets on its way.
pub(crate) async fn open(folder: &Path, clock: &Arc<dyn Clock>) -> Result<(Store, Arc<dyn Log>), Failure> {
    let mut options = StoreOptions::at(server::database(folder));
    options.migrations = tidings_server::migrations();
    let store = Store::open(&options)?;
    let log: Arc<dyn Log> = Arc::new(EmbeddedLog::new(store.clone(), Arc::clone(clock)));
    let ids = Arc::new(Ids::new(Arc::clone(clock), 0));
    let deps = Deps {
        store: store.clone(),
        ingest: Ingest::default(),
        signals: Signals::default(),
        online: Online::default(),
        clock: Arc::clone(clock),
        ids,
        faults: false,
    };
    let broadcast = tidings_broadcast::feature(&deps, None);
    let mut topics = vec![TopicConfig::from(&DELIVERIES_TOPIC)];
    topics.extend(broadcast.topics.iter().map(TopicConfig::from));
    log.ensure_topics(&topics).await?;
    Ok((store, log))
}

/// The id of a person.
pub(crate) fn id(number: usize) -> String {
    format!("person-{number}")
}

/// Enters so many people into a fresh database.
pub(crate) fn enter(folder: &Path, people: usize) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (store, _log) = open(folder, &clock).await?;
        let now = clock.now();
        let mut waiting = tokio::task::JoinSet::new();
        for first in (0..people).step_by(SLICE) {
            let slice = first..(first + SLICE).min(people);
            let users: Vec<UserId> = slice.map(|number| id(number).parse()).collect::<Result<_, _>>()?;
            let store = store.clone();
            waiting.spawn(async move {
                let wishes = users.into_iter().map(Wish::of).collect();
                change::change(&store, Lane::Bulk, wishes, now).await.map(drop)
            });
            if waiting.len() >= SLICES
                && let Some(entered) = waiting.join_next().await
            {
                entered??;
            }
        }
        while let Some(entered) = waiting.join_next().await {
            entered??;
        }
        Ok(())
    })
}
