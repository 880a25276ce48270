//! The one place where everything is built.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tidings::{Deps, Feature, Ingest, Online, Schedule, Signals};
use tidings_api::{Cors, Frame, Tickets, Traces, ticket_routes};
use tidings_config::{Config, Role};
use tidings_consumer::{Keeper, Options, Repeats, faults::Faulty};
use tidings_delivery::{Feed, FeedOptions, Witnesses, api::DeliveryApi, core::GenerationId, generations};
use tidings_gateway::Gateway;
use tidings_log::{Acks, KafkaLog, Log, LogError};
use tidings_model::{Clock, Ids};
use tidings_store::{Database, Store, StoreError};
use tidings_telemetry::{ConsumerEnded, Metrics};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    consumers::{self, Consumers},
    features::{commands, features},
    groups::name_groups,
    housekeeping, identity, kafka_settings, keepers, limits,
    presence::{self, Whereabouts},
    roster::Roster,
    routes::{
        self, Operators,
        health::{self, Health},
        metrics::{self, Scrape},
    },
    schedules, serve,
    served::Served,
    streams::Streams,
    topics::{feature_topics, topics},
    words::Words,
};

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is missing or wrong.
    #[error("{0}")]
    Setting(String),
    /// The database could not be opened.
    #[error("could not open the database")]
    Store(#[from] StoreError),
    /// The mark beside the database could not be opened.
    #[error("could not open the mark beside the database")]
    Mark(#[source] std::io::Error),
    /// The log could not be prepared.
    #[error("could not prepare the log")]
    Log(#[from] LogError),
    /// The address is taken or not ours.
    #[error("could not listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// Where people and services connect.
    pub address: SocketAddr,
    /// Where operators connect: the same routes and those of operators.
    pub admin_address: SocketAddr,
    store: Store,
    gateway: Option<Gateway>,
    // Whether it takes work.
    ready: watch::Sender<bool>,
    // What clients wait for ends first, everything else after it.
    connections: TaskTracker,
    drain: CancellationToken,
    tasks: TaskTracker,
    stop: CancellationToken,
    grace: Duration,
}

impl Server {
    /// Builds what the roles of the process need, in the order in which a message meets it, and starts it.
    pub async fn start(config: Config, clock: Arc<dyn Clock>, seed: u64) -> Result<Self, StartError> {
        let kafka = match kafka_settings(&config) {
            Some(settings) => {
                if settings.direct.acks != Acks::All {
                    tracing::warn!(acks = %settings.direct.acks, "kafka.required_acks: an answered order can be lost");
                }
                Some(Arc::new(KafkaLog::connect(settings).await?) as Arc<dyn Log>)
            }
            None => None,
        };
        Self::start_on(kafka, config, clock, seed).await
    }

    /// Starts on another log than that of the database's own file, which a relay fills.
    pub async fn start_on(
        other: Option<Arc<dyn Log>>,
        config: Config,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> Result<Self, StartError> {
        let roles = Arc::new(config.roles().map_err(|cause| StartError::Setting(cause.to_string()))?);
        let has = |role| roles.contains(&role);
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let (connections, drain) = (TaskTracker::new(), CancellationToken::new());
        let ids = Arc::new(Ids::new(Arc::clone(&clock), seed));
        let metrics = Arc::new(Metrics::default());

        // 1–2 create and store: who may come in, and where everything is kept
        let repeats = if other.is_some() { Repeats::Unnumbered } else { Repeats::Foreign };
        let store = keepers::open_store(&config, other.is_some())?;
        let answers = has(Role::Api) || has(Role::Gateway);
        let identity = if answers { Some(identity::open(&config.auth, &store, &clock).await?) } else { None };
        let tickets = Tickets { store: store.clone(), clock: Arc::clone(&clock) };
        let faults = config.testing.faults;
        let (ingest, signals, online) = (Ingest::default(), Signals::default(), Online::default());
        let deps = Deps {
            store: store.clone(),
            ingest: ingest.clone(),
            signals: signals.clone(),
            online: online.clone(),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
            faults,
        };
        let mut features = features(&deps, &config, &clock)?;
        name_groups(&mut features, &config)?;
        let commands = commands(&features)?;
        let accounts = features.iter().flat_map(|feature| feature.accounts.iter().map(Arc::clone)).collect();
        let witnesses: Witnesses =
            features.iter().flat_map(|feature| feature.witnesses.iter().map(Arc::clone)).collect();

        // 3–4 relay and log
        let specs = topics(&features, &config)?;
        let feature_topics = feature_topics(&features, &specs);
        let words = Words::of(&features, &specs, &commands);
        let keepers = keepers::open(store.clone(), other, &specs, Arc::clone(&clock)).await?;
        let (log, mark, head) = (keepers.log(), keepers.mark()?, keepers.head()?);
        keepers.start(&roles, &tasks, &stop, random);
        ingest.open(Arc::clone(&log));
        signals.open(Arc::clone(&log));

        // 6, 9 delivery
        let generations = generations::load(&store, mark.as_ref(), GenerationId(random())).await?;
        let options = FeedOptions::default();
        let feed = Feed::open(store.clone(), Arc::clone(&log), generations, mark, options).await?;
        let feed = Arc::new(feed);
        if feed.may_change_its_log() {
            tasks.spawn(Arc::clone(&feed).keep_generations(stop.clone()));
        }

        // 7 push
        let node = presence::node_name(&config);
        let shared = presence::shared(&store, &clock, &node);
        let gateway = if has(Role::Gateway) {
            let streams = Streams {
                config: &config,
                store: store.clone(),
                feed: Arc::clone(&feed),
                clock: Arc::clone(&clock),
                ids: Arc::clone(&ids),
                signals: features.iter().flat_map(|feature| feature.signals.iter().map(Arc::clone)).collect(),
                log: Arc::clone(&log),
                commands: commands.clone(),
                presence: shared.clone(),
                witnesses: witnesses.clone(),
                connections: connections.clone(),
            };
            Some(streams.start(&tasks, &stop).await)
        } else {
            None
        };
        let whereabouts = match &gateway {
            Some(gateway) if shared.is_none() => Whereabouts::Here(Arc::clone(&gateway.hub), node),
            Some(_) | None => Whereabouts::Shared(store.clone()),
        };
        online.open(Arc::new(whereabouts.clone()));
        if answers && (gateway.is_some() || shared.is_some()) {
            let roster = Roster {
                store: store.clone(),
                hub: gateway.as_ref().map(|gateway| Arc::clone(&gateway.hub)),
                whereabouts: whereabouts.clone(),
                watchers: features
                    .iter()
                    .flat_map(|feature| feature.watchers.iter().map(Arc::clone))
                    .collect(),
                clock: Arc::clone(&clock),
            };
            tasks.spawn(roster.run(stop.clone()));
        }
        if let Some(presence) = shared.filter(|_| answers) {
            presence::start(presence, gateway.as_ref(), &tasks, stop.clone()).await?;
        }

        // 5 consume, and what comes due
        let mut served = Served::default();
        let consumers = Consumers {
            store: store.clone(),
            log: Arc::clone(&log),
            clock: Arc::clone(&clock),
            options: Options { repeats, instance: Some(consumers::instance()), ..Options::default() },
            metrics: Arc::clone(&metrics),
        };
        if has(Role::Consumers) {
            tasks.spawn(Keeper { store: store.clone(), clock: Arc::clone(&clock) }.run(stop.clone()));
            tasks.spawn(housekeeping::run(store.clone(), Arc::clone(&clock), stop.clone()));
            start_schedule(Arc::new(schedules::QuietHoursOver), &consumers, &tasks, &stop);
        }
        for mut feature in features {
            if faults {
                feature.handlers = feature.handlers.into_iter().map(Faulty::around).collect();
            }
            if has(Role::Consumers) {
                start_feature(&feature, &consumers, &tasks, &stop);
            }
            served.route(Role::Api, has(Role::Api), feature.routes)?;
        }

        // 1 again: the routes
        let operators = Operators {
            store: store.clone(),
            feed: Arc::clone(&feed),
            whereabouts,
            log: Arc::clone(&log),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
            feature_topics,
            accounts,
        };
        let ready = watch::Sender::new(true);
        let health = Health {
            roles: Arc::clone(&roles),
            store: store.clone(),
            gateway: gateway.clone(),
            head,
            takes_work: ready.subscribe(),
        };
        let scrape = Scrape {
            metrics: Arc::clone(&metrics),
            health: health.clone(),
            log: Arc::clone(&log),
            clock: Arc::clone(&clock),
        };
        let delivery_api = DeliveryApi { store: store.clone(), feed, clock, ids, witnesses };
        served.route(Role::Api, has(Role::Api), tidings_delivery::api::routes(delivery_api.clone()))?;
        served.route(Role::Gateway, answers, tidings_delivery::api::receipt_routes(delivery_api))?;
        served.route(Role::Gateway, answers, ticket_routes(tickets.clone()))?;
        match &gateway {
            Some(gateway) => {
                served.route(Role::Gateway, true, tidings_gateway::routes(gateway.clone()))?;
            }
            None => served.absent(Role::Gateway, tidings_gateway::reference())?,
        }
        if has(Role::Api) {
            served.operate(routes::operators(faults).with_state(operators))?;
        } else {
            served.absent_for_operators(Role::Api, routes::operators(faults).into_openapi())?;
        }
        served.public = served.public.merge(health::routes(health));
        served.operators = served.operators.merge(metrics::routes(scrape));
        let cors = Cors::new(&config.server.origins).map_err(StartError::Setting)?;
        let (public, admin) = served.framed(
            Frame {
                identity: identity.map(Arc::new),
                rates: limits::rates(&config.limits, &tickets.clock),
                tickets,
                traces: Traces::new(seed),
                cors,
                metrics,
            },
            &words,
        );
        let (listener, address) = listen(config.server.listen).await?;
        let (admin_listener, admin_address) = listen(config.admin.listen).await?;
        connections.spawn(serve::serve(listener, public, connections.clone(), drain.clone()));
        connections.spawn(serve::serve(admin_listener, admin, connections.clone(), drain.clone()));
        let grace = Duration::from_secs(config.server.grace_secs);
        Ok(Self { address, admin_address, store, gateway, ready, connections, drain, tasks, stop, grace })
    }

    /// Where everything is kept.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Whether the server takes work; false from the moment in which it drains.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Takes nothing new, finishes what is in hand within the grace, and ends: first what clients wait for
    /// (requests are answered, streams say when to come back), then everything else.
    pub async fn drain(self) {
        self.ready.send_replace(false);
        self.drain.cancel();
        if let Some(gateway) = &self.gateway {
            gateway.drain();
        }
        self.connections.close();
        let drained = async {
            self.connections.wait().await;
            self.stop.cancel();
            self.tasks.close();
            self.tasks.wait().await;
        };
        if tokio::time::timeout(self.grace, drained).await.is_err() {
            let left = self.connections.len() + self.tasks.len();
            tracing::warn!(tasks = left, "the grace was over before everything ended");
            self.stop.cancel();
        }
    }
}

impl Drop for Server {
    /// A server that nobody holds any more does nothing more. One that should finish what it has in hand is drained.
    fn drop(&mut self) {
        self.drain.cancel();
        self.stop.cancel();
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Brings the database up to date without starting anything; answers which one.
pub fn migrate(config: &Config) -> Result<Database, StartError> {
    Ok(keepers::open_store(config, config.kafka_brokers().is_some())?.database().clone())
}

fn start_feature(feature: &Feature, consumers: &Consumers, tasks: &TaskTracker, stop: &CancellationToken) {
    for consumer in consumers.of(&feature.handlers) {
        let (group, stop) = (Arc::clone(&consumer.group), stop.clone());
        tasks.spawn(async move {
            if let Err(cause) = consumer.run(stop).await {
                ConsumerEnded { group: &group, cause: &cause }.emit();
            }
        });
    }
    for schedule in &feature.schedules {
        start_schedule(Arc::clone(schedule), consumers, tasks, stop);
    }
}

fn start_schedule(
    schedule: Arc<dyn Schedule>,
    consumers: &Consumers,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    let (store, clock) = (consumers.store.clone(), Arc::clone(&consumers.clock));
    tasks.spawn(schedules::run(schedule, store, clock, stop.clone()));
}

/// A random number from the operating system.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|cause| {
        tracing::error!(%cause, "the operating system gave no randomness");
        std::process::abort()
    })
}
