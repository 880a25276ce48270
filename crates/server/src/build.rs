//! The one place where everything is built.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc, time::Duration};

use tidings::{Deps, Feature, Ingest, Schedule};
use tidings_api::{Cors, Frame, Tickets, Traces, ticket_routes, with_reference};
use tidings_config::Config;
use tidings_consumer::{Keeper, Options, Repeats, dead_letter_topic, faults::Faulty};
use tidings_delivery::{Feed, FeedOptions, api::DeliveryApi, core::GenerationId, generations};
use tidings_gateway::{Admission, Budget, Gateway, GatewayOptions, Hub, Origins};
use tidings_log::{KafkaLog, Log, LogError, TopicConfig, TopicSpec};
use tidings_model::{Clock, Ids};
use tidings_store::{Database, Migration, Store, StoreError};
use tidings_telemetry::{ConsumerEnded, FeedEnded, Metrics};
use tokio::{net::TcpListener, sync::watch, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    consumers::{self, Consumers},
    housekeeping, identity, kafka_settings, keepers, limits, paths,
    routes::{
        self, Operators,
        health::{self, Health},
        metrics::{self, Scrape},
    },
    schedules, serve,
    source::StoreSource,
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
    gateway: Gateway,
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
    /// Builds everything, in the order in which a message meets it, and starts it.
    pub async fn start(config: Config, clock: Arc<dyn Clock>, seed: u64) -> Result<Self, StartError> {
        let kafka = match kafka_settings(&config) {
            Some(settings) => Some(Arc::new(KafkaLog::connect(settings).await?) as Arc<dyn Log>),
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
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let (connections, drain) = (TaskTracker::new(), CancellationToken::new());
        let ids = Arc::new(Ids::new(Arc::clone(&clock), seed));

        let metrics = Arc::new(Metrics::default());

        // 1–2 create and store: who may come in, and where everything is kept
        let repeats = if other.is_some() { Repeats::Unnumbered } else { Repeats::Foreign };
        let store = keepers::open_store(&config, other.is_some())?;
        let identity = identity::open(&config.auth, &store, &clock).await?;
        let tickets = Tickets { store: store.clone(), clock: Arc::clone(&clock) };
        let faults = config.testing.faults;
        let ingest = Ingest::default();
        let deps = Deps {
            store: store.clone(),
            ingest: ingest.clone(),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
            faults,
        };
        let features = features(&deps, &config)?;

        // 3–4 relay and log
        let specs = topics(&features, &config)?;
        let feature_topics = feature_topics(&features, &specs);
        let keepers = keepers::open(store.clone(), other, &specs, Arc::clone(&clock)).await?;
        let (log, mark, head) = (keepers.log(), keepers.mark()?, keepers.head()?);
        keepers.start(&tasks, &stop, random());
        ingest.open(Arc::clone(&log));

        // 6, 9 delivery
        let generations = generations::load(&store, mark.as_ref(), GenerationId(random())).await?;
        let feed = Feed::open(store.clone(), generations.clone(), mark, FeedOptions::default()).await?;
        let feed = Arc::new(feed);
        let hub = Arc::new(Hub::new(feed.head(), generations, Arc::clone(&clock)));
        let (reader, reader_log, reader_clock, reader_stop) =
            (Arc::clone(&feed), Arc::clone(&log), Arc::clone(&clock), stop.clone());

        // 7 push
        let listener = Arc::clone(&hub);
        tasks.spawn(async move {
            if let Err(cause) = reader.run(reader_log, listener, reader_clock, reader_stop).await {
                FeedEnded { cause: &cause }.emit();
            }
        });
        let source = Arc::new(StoreSource {
            store: store.clone(),
            feed: Arc::clone(&feed),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
        });
        let gateway = Gateway {
            hub: Arc::clone(&hub),
            feed: Arc::clone(&feed),
            source,
            options: gateway_options(&config),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
            origins: Arc::new(Origins::new(&config.server.origins)),
            admission: Arc::new(admission(&config)),
            budget: Arc::new(Budget::new(limits::queue_bytes(config.gateway.node_queue_bytes))),
            tasks: connections.clone(),
        };
        let (keeper, keeper_stop) = (gateway.clone(), stop.clone());
        tasks.spawn(async move { keeper.keep_lines(keeper_stop).await });

        // 5 consume, and what comes due
        tasks.spawn(Keeper { store: store.clone(), clock: Arc::clone(&clock) }.run(stop.clone()));
        tasks.spawn(housekeeping::run(store.clone(), Arc::clone(&clock), stop.clone()));
        let consumers = Consumers {
            store: store.clone(),
            log: Arc::clone(&log),
            clock: Arc::clone(&clock),
            options: Options { repeats, instance: Some(consumers::instance()), ..Options::default() },
            metrics: Arc::clone(&metrics),
        };
        let mut routes = Vec::new();
        for mut feature in features {
            if faults {
                feature.handlers = feature.handlers.into_iter().map(Faulty::around).collect();
            }
            start_feature(&feature, &consumers, &tasks, &stop);
            routes.push(feature.routes);
        }
        start_schedule(Arc::new(schedules::QuietHoursOver), &consumers, &tasks, &stop);

        // 1 again: the routes
        let operators = Operators {
            store: store.clone(),
            feed: Arc::clone(&feed),
            gateway: gateway.clone(),
            log: Arc::clone(&log),
            clock: Arc::clone(&clock),
            ids: Arc::clone(&ids),
            feature_topics,
        };
        let ready = watch::Sender::new(true);
        let health =
            Health { store: store.clone(), gateway: gateway.clone(), head, takes_work: ready.subscribe() };
        let scrape = Scrape {
            metrics: Arc::clone(&metrics),
            health: health.clone(),
            log: Arc::clone(&log),
            clock: Arc::clone(&clock),
        };
        let delivery_api = DeliveryApi { store: store.clone(), feed, clock, ids };
        routes.extend([
            tidings_delivery::api::routes(delivery_api),
            tidings_gateway::routes(gateway.clone()),
            ticket_routes(tickets.clone()),
            health::routes(health),
        ]);
        let (served, reference) = paths::join(routes)?.split_for_parts();
        let operators = paths::join([routes::operators(operators, faults), metrics::routes(scrape)])?;
        let (operators, operators_reference) = operators.split_for_parts();
        paths::distinct(&operators_reference, &reference)?;
        let cors = Cors::new(&config.server.origins).map_err(StartError::Setting)?;
        let identity = Arc::new(identity);
        let frame = Arc::new(Frame { identity, tickets, traces: Traces::new(seed), cors, metrics });
        let admin_reference = reference.clone().merge_from(operators_reference);
        let admin_served = with_reference(served.clone().merge(operators), &admin_reference);
        let admin_served = tidings_api::frame(admin_served, Arc::clone(&frame));
        let served = tidings_api::frame(with_reference(served, &reference), frame);
        let (listener, address) = listen(config.server.listen).await?;
        let (admin_listener, admin_address) = listen(config.admin.listen).await?;
        connections.spawn(serve::serve(listener, served, connections.clone(), drain.clone()));
        connections.spawn(serve::serve(admin_listener, admin_served, connections.clone(), drain.clone()));
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
        self.gateway.drain();
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

/// The tables of all crates, in the order in which they are made.
pub fn migrations() -> Vec<Migration> {
    [
        tidings_api::MIGRATIONS,
        tidings_consumer::MIGRATIONS,
        tidings_delivery::MIGRATIONS,
        tidings_broadcast::MIGRATIONS,
    ]
    .concat()
}

/// The only list of features.
fn features(deps: &Deps, config: &Config) -> Result<Vec<Feature>, StartError> {
    let routes = tidings_routes::feature(deps, &config.routes, &config.ingest);
    Ok(vec![
        tidings_broadcast::feature(deps),
        routes.map_err(|invalid| StartError::Setting(invalid.to_string()))?,
    ])
}

/// All topics, as the settings want them.
fn topics(features: &[Feature], config: &Config) -> Result<Vec<TopicConfig>, StartError> {
    let of_features = features.iter().flat_map(|feature| &feature.topics);
    let specs: Vec<&TopicSpec> =
        std::iter::once(&tidings_delivery::DELIVERIES_TOPIC).chain(of_features).collect();
    let mut topics = Vec::new();
    for spec in &specs {
        let mut topic = TopicConfig::from(*spec);
        if let Some(settings) = config.topics.get(&*spec.name) {
            topic.name = settings.name.clone().unwrap_or(topic.name);
            topic.partitions = settings.partitions.unwrap_or(topic.partitions);
            topic.retention = settings.retention_secs.map_or(topic.retention, Duration::from_secs);
        }
        if spec.name == tidings_delivery::DELIVERIES {
            // Its offsets are the places that everybody sees in one order.
            topic.partitions = spec.partitions;
            topics.push(topic);
            continue;
        }
        let name = dead_letter_topic(&topic.name);
        topics.push(TopicConfig {
            alias: name.clone(),
            name,
            retention: Duration::from_hours(14 * 24),
            ..topic.clone()
        });
        topics.push(topic);
    }
    // Two features may know one topic, and a route may read dead letters: the first says how it is made.
    let mut made = BTreeSet::new();
    topics.retain(|topic| made.insert(topic.name.clone()));
    match config.topics.keys().find(|alias| !specs.iter().any(|spec| spec.name == alias.as_str())) {
        Some(unknown) => Err(StartError::Setting(format!(
            "topics.\"{}\": no feature writes such a topic",
            unknown.escape_debug()
        ))),
        None => Ok(topics),
    }
}

/// The names in the log of what features write, without dead letters.
fn feature_topics(features: &[Feature], topics: &[TopicConfig]) -> Arc<[String]> {
    let aliases = features.iter().flat_map(|feature| &feature.topics).map(|spec| &*spec.name);
    let named =
        |alias: &str| topics.iter().find(|topic| topic.alias == alias).map(|topic| topic.name.clone());
    aliases.filter_map(named).collect()
}

/// How many clients may catch up at once; what memory can do grows with the cores.
fn admission(config: &Config) -> Admission {
    let cores =
        std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
    let per_second = config.gateway.resumes_per_second.saturating_mul(cores);
    Admission::new(per_second, config.gateway.database_resumes, Instant::now())
}

fn gateway_options(config: &Config) -> GatewayOptions {
    GatewayOptions {
        queue_frames: config.gateway.queue_frames,
        queue_bytes: config.gateway.queue_bytes,
        heartbeat: Duration::from_secs(config.gateway.heartbeat_secs),
        connections_per_user: config.gateway.connections_per_user,
        catch_up_max: config.gateway.catch_up_max,
        ping: Duration::from_secs(config.gateway.ping_secs),
        pong: Duration::from_secs(config.gateway.pong_secs),
        first_frame: Duration::from_secs(config.gateway.first_frame_secs),
        message_bytes: config.gateway.message_bytes,
        ..GatewayOptions::default()
    }
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
