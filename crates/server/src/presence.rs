//! Who is connected: to this process where it is the only one, to any node where several share a database.

use std::sync::Arc;

use async_trait::async_trait;
use tidings::Lines;
use tidings_config::Config;
use tidings_delivery::presence::{self, After, Connected, Presence};
use tidings_gateway::{Connection, Gateway, Hub};
use tidings_model::{Clock, UserId};
use tidings_store::{Database, Store, StoreError, Tx};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{build::random, consumers};

/// Where it is known who is connected.
#[derive(Clone, Debug)]
pub(crate) enum Whereabouts {
    /// In the memory of the only process, which has this name.
    Here(Arc<Hub>, String),
    /// In the database that all nodes share.
    Shared(Store),
}

#[async_trait]
impl Lines for Whereabouts {
    async fn is_open(&self, tx: &Tx, user: &UserId) -> Result<bool, StoreError> {
        match self {
            Self::Here(hub, _) => Ok(!hub.of(user).is_empty()),
            Self::Shared(_) => presence::is_connected(tx, user).await,
        }
    }
}

/// How this process is called where nodes are listed: its host, and the address that tells it from others there.
pub(crate) fn node_name(config: &Config) -> String {
    let instance = consumers::instance();
    let (host, _process) = instance.rsplit_once('/').unwrap_or((&instance, ""));
    match config.server.listen {
        any if any.port() == 0 => instance,
        listen => format!("{host}/{listen}"),
    }
}

/// The presence of the nodes, where there may be several.
pub(crate) fn shared(store: &Store, clock: &Arc<dyn Clock>, name: &str) -> Option<Arc<Presence>> {
    matches!(store.database(), Database::Postgres(_))
        .then(|| Arc::new(Presence::new(store.clone(), Arc::clone(clock), name.to_owned())))
}

/// Takes part in the presence of all nodes: as one of them, or as somebody who looks at them.
pub(crate) async fn start(
    presence: Arc<Presence>,
    gateway: Option<&Gateway>,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> Result<(), StoreError> {
    let Some(gateway) = gateway else {
        tasks.spawn(async move { presence.watch(stop).await });
        return Ok(());
    };
    presence.enter(fresh()).await?;
    let hub = Arc::clone(&gateway.hub);
    let present = move || hub.connections().iter().map(|open| connected(open, String::new())).collect();
    tasks.spawn(async move { presence.keep(present, fresh, stop).await });
    Ok(())
}

/// A word that no node had before.
fn fresh() -> String {
    format!("{:016x}", random())
}

/// A connection of this process, as it is told to others.
pub(crate) fn connected(connection: &Connection, node: String) -> Connected {
    Connected {
        node,
        id: connection.id,
        user_id: connection.user.clone(),
        session_id: connection.session_id.clone(),
        transport: connection.wire.as_str().to_owned(),
        since: connection.since,
    }
}

impl Whereabouts {
    /// A page of the open connections, of one person or of all.
    pub(crate) async fn list(
        &self,
        user: Option<UserId>,
        after: After,
        limit: usize,
    ) -> Result<Vec<(After, Connected)>, StoreError> {
        match self {
            Self::Here(hub, node) => {
                let mut open = user.map_or_else(|| hub.connections(), |user| hub.of(&user));
                open.retain(|connection| connection.id > after.1);
                open.sort_unstable_by_key(|connection| connection.id);
                open.truncate(limit);
                let item = |open: &Arc<Connection>| ((node.clone(), open.id), connected(open, node.clone()));
                Ok(open.iter().map(item).collect())
            }
            Self::Shared(store) => {
                store
                    .read(move |tx| async move { presence::list(&tx, user.as_ref(), &after, limit).await })
                    .await
            }
        }
    }

    /// A page of the people who are connected, with how many connections each has.
    pub(crate) async fn people(&self, after: String, limit: usize) -> Result<Vec<(UserId, u64)>, StoreError> {
        match self {
            Self::Here(hub, _node) => {
                let mut people = hub.people();
                people.retain(|(user, _)| user.as_str() > after.as_str());
                people.sort_unstable();
                people.truncate(limit);
                Ok(people)
            }
            Self::Shared(store) => {
                store.read(move |tx| async move { presence::people(&tx, &after, limit).await }).await
            }
        }
    }
}
