//! Step 7 in this process: the feed is read, and the gateway shows it to whoever is connected here.

use std::{num::NonZero, sync::Arc, time::Duration};

use tidings::Signal;
use tidings_config::Config;
use tidings_delivery::{Feed, Openings, Witnesses, presence::Presence};
use tidings_gateway::{Admission, Budget, Commands, Gateway, GatewayOptions, Hub, Origins};
use tidings_log::Log;
use tidings_model::{Clock, Ids};
use tidings_store::Store;
use tidings_telemetry::FeedEnded;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{limits, signals, source::StoreSource};

/// What streams are made of.
pub(crate) struct Streams<'a> {
    pub(crate) config: &'a Config,
    pub(crate) store: Store,
    pub(crate) feed: Arc<Feed>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<Ids>,
    /// What of their signals features show.
    pub(crate) signals: Vec<Arc<dyn Signal>>,
    /// Where they lie.
    pub(crate) log: Arc<dyn Log>,
    /// What features understand.
    pub(crate) commands: Commands,
    /// Who is connected to which node, where there may be several.
    pub(crate) presence: Option<Arc<Presence>>,
    /// Who is told what people confirm.
    pub(crate) witnesses: Witnesses,
    /// Where connections run: they end first.
    pub(crate) connections: TaskTracker,
}

impl Streams<'_> {
    /// Begins to read the feed, and answers the gateway that shows it.
    pub(crate) async fn start(self, tasks: &TaskTracker, stop: &CancellationToken) -> Gateway {
        let hub =
            Arc::new(Hub::new(self.feed.head(), self.feed.follow_generations(), Arc::clone(&self.clock)));
        let (reader, listener) = (Arc::clone(&self.feed), Arc::clone(&hub));
        let (clock, stopped) = (Arc::clone(&self.clock), stop.clone());
        tasks.spawn(async move {
            if let Err(cause) = reader.run(listener, clock, stopped).await {
                FeedEnded { cause: &cause }.emit();
            }
        });
        for signal in self.signals {
            let reader = signals::Reader {
                signal,
                log: Arc::clone(&self.log),
                hub: Arc::clone(&hub),
                clock: Arc::clone(&self.clock),
            };
            reader.start(tasks, stop).await;
        }
        let source = Arc::new(StoreSource {
            // As many at once as compute.
            openings: Openings::new(self.store.clone(), Arc::clone(&self.clock), cores()),
            store: self.store,
            feed: Arc::clone(&self.feed),
            clock: Arc::clone(&self.clock),
            ids: Arc::clone(&self.ids),
            presence: self.presence,
            witnesses: self.witnesses,
        });
        let gateway = Gateway {
            hub,
            feed: self.feed,
            source,
            commands: self.commands,
            options: options(self.config),
            clock: self.clock,
            ids: self.ids,
            origins: Arc::new(Origins::new(&self.config.server.origins)),
            admission: Arc::new(admission(self.config)),
            budget: Arc::new(Budget::new(limits::queue_bytes(self.config.gateway.node_queue_bytes))),
            tasks: self.connections,
        };
        let (keeper, stopped) = (gateway.clone(), stop.clone());
        tasks.spawn(async move { keeper.keep_lines(stopped).await });
        gateway
    }
}

/// How many clients may catch up at once; what memory can do grows with the cores.
fn admission(config: &Config) -> Admission {
    let cores = u32::try_from(cores()).unwrap_or(1);
    let per_second = config.gateway.resumes_per_second.saturating_mul(cores);
    Admission::new(per_second, config.gateway.database_resumes, Instant::now())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

fn options(config: &Config) -> GatewayOptions {
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
