//! Who keeps what: the database, the log, and what runs between the two where they are not one.
//!
//! Where the log lies in the database's own file, an event is a record by its commit, and its delivery is projected
//! with it. Elsewhere a relay takes events from the outbox to the log, and the projection takes deliveries back.

use std::{collections::BTreeSet, sync::Arc};

use tidings_config::{Config, Role};
use tidings_delivery::{DELIVERIES, Mark, PROJECTED, Projection, head};
use tidings_log::{
    EmbeddedLog, Log, TopicConfig,
    relay::{Relay, RelayOptions},
};
use tidings_model::Clock;
use tidings_store::{Appends, Database, Store, StoreError, StoreOptions};
use tidings_telemetry::TopicDrifts;
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{build::StartError, features::migrations};

/// PostgreSQL keeps no log.
const NEEDS_KAFKA: &str = "database.url names a PostgreSQL database, which works with Kafka alone: \
     there is no embedded log in it; set kafka.brokers, or a sqlite:// database";

/// Opens the database; with an outbox, where the log is another system.
pub(crate) fn open_store(config: &Config, outbox: bool) -> Result<Store, StartError> {
    let mut options = StoreOptions::from_url(&config.database.url);
    options.appends = if outbox { Appends::Outbox } else { Appends::Log };
    options.migrations = migrations();
    if !outbox && matches!(options.database, Database::Postgres(_)) {
        return Err(StartError::Setting(NEEDS_KAFKA.to_owned()));
    }
    Ok(Store::open(&options)?)
}

/// The log of a process, and what fills it.
pub(crate) struct Keepers {
    store: Store,
    clock: Arc<dyn Clock>,
    log: Arc<dyn Log>,
    // Where the log lies in the database's own file.
    embedded: Option<EmbeddedLog>,
    // The newest place that is projected, where a relay fills the log.
    projected: watch::Sender<u64>,
}

/// Makes the topics of a log: of `other`, or of the one in the database's own file.
pub(crate) async fn open(
    store: Store,
    other: Option<Arc<dyn Log>>,
    topics: &[TopicConfig],
    clock: Arc<dyn Clock>,
) -> Result<Keepers, StartError> {
    let (log, embedded) = if let Some(other) = other {
        (other, None)
    } else {
        let embedded = EmbeddedLog::new(store.clone(), Arc::clone(&clock));
        (Arc::new(embedded.clone()) as Arc<dyn Log>, Some(embedded))
    };
    for drift in &log.ensure_topics(topics).await? {
        TopicDrifts { topic: &drift.topic, what: &drift.what }.emit();
    }
    let projected = watch::Sender::new(0);
    if embedded.is_none() {
        tidings_log::register(&store, &*log, topics).await?;
        projected.send_replace(store.read(|tx| async move { head(&tx).await }).await?.0);
    }
    Ok(Keepers { store, clock, log, embedded, projected })
}

impl Keepers {
    pub(crate) fn log(&self) -> Arc<dyn Log> {
        Arc::clone(&self.log)
    }

    /// The mark beside a database whose file holds the log.
    pub(crate) fn mark(&self) -> Result<Option<Mark>, StartError> {
        let file = self.embedded.as_ref().and_then(|_embedded| self.store.path());
        file.map(Mark::open).transpose().map_err(StartError::Mark)
    }

    /// Follows the newest place of the delivery log that people can be shown.
    pub(crate) fn head(&self) -> Result<watch::Receiver<u64>, StartError> {
        if self.embedded.is_none() {
            return Ok(self.projected.subscribe());
        }
        let topic = self
            .store
            .topic(DELIVERIES)
            .ok_or_else(|| StartError::Setting(format!("the topic {DELIVERIES} was not made")))?;
        Ok(self.store.heads().watch(topic.first_partition))
    }

    /// Starts what keeps the log, or what of these roles runs between it and the database.
    pub(crate) fn start(
        self,
        roles: &BTreeSet<Role>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
        random: fn() -> u64,
    ) {
        if let Some(embedded) = self.embedded {
            tasks.spawn(embedded.run_retention(EmbeddedLog::RETENTION_PAUSE, stop.clone()));
            return;
        }
        if roles.contains(&Role::Relay) {
            let relay = Relay {
                store: self.store.clone(),
                log: Arc::clone(&self.log),
                clock: Arc::clone(&self.clock),
                name: format!("{}-{:016x}", std::process::id(), random()),
                // Nobody else can open a file that this process has open.
                alone: self.store.path().is_some(),
                options: RelayOptions::default(),
            };
            tasks.spawn(relay.run(stop.clone()));
        }
        if roles.contains(&Role::Consumers) {
            let projection =
                Projection { store: self.store.clone(), log: self.log, clock: self.clock, random };
            tasks.spawn(projection.run(stop.clone()));
        }
        tasks.spawn(follow(self.store, self.projected, stop.clone()));
    }
}

/// Keeps the newest projected place in memory, for whoever asks whether streams are behind it.
async fn follow(store: Store, projected: watch::Sender<u64>, stop: CancellationToken) {
    let mut wakes = store.wakes(PROJECTED);
    loop {
        wakes.mark_unchanged();
        match store.read(|tx| async move { head(&tx).await }).await {
            Ok(place) => {
                projected.send_if_modified(|known| std::mem::replace(known, place.0) != place.0);
            }
            Err(cause) => {
                let cause: StoreError = cause;
                tracing::debug!(%cause, "the projection's place could not be read");
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(FOLLOW_PAUSE) => {}
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            woken = wakes.changed() => if woken.is_err() { return },
        }
    }
}

/// The shortest pause between two looks at the projection.
const FOLLOW_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
