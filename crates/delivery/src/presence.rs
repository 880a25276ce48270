//! Presence: who is connected, to which node, where several nodes share a database.
//!
//! A connection's row is written when it opens, in the transaction that counts its person's others, and goes soon
//! after it closed. Nothing is written while it is open. A node shows a sign of life each second; the others watch it
//! by their own clocks alone, and remove the rows of one that fell silent. A node that was taken for dead and is not
//! finds its sign missing and enters all its connections again.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tidings_model::{Clock, SessionId, Timestamp, UserId};
use tidings_store::{Row, Store, StoreError, Tx, params};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::seen;

/// The pause between two signs of life, and between two looks at those of others.
const PAUSE: Duration = Duration::from_secs(1);
/// A node that is silent for so long does not count against anybody's limit: its people may be coming back.
const SILENT: Duration = Duration::from_secs(4);
/// A node that is silent for so long is gone, and its connections with it.
const GONE: Duration = Duration::from_secs(8);
/// Rows that one transaction writes.
const SLICE: usize = 200;

/// An open connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Its node's name.
    pub node: String,
    /// Unique in its node.
    pub id: u64,
    /// The person.
    pub user_id: UserId,
    /// The device.
    pub session_id: SessionId,
    /// `sse` or `websocket`.
    pub transport: String,
    /// When it opened.
    pub since: Timestamp,
}

/// A place in the list of all connections: by node, then by id.
pub type After = (String, u64);

/// The presence of all nodes, as this one takes part in it.
#[derive(Debug)]
pub struct Presence {
    store: Store,
    clock: Arc<dyn Clock>,
    name: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    // What this node is called in rows; nothing in a process that holds no connections.
    node: String,
    // The connections whose rows are there.
    written: HashSet<u64>,
    // The last sign of life of each node, and since when it is the last.
    signs: HashMap<String, (u64, Instant)>,
}

impl Presence {
    /// Looks at other nodes under this name, until [`Presence::enter`].
    pub fn new(store: Store, clock: Arc<dyn Clock>, name: String) -> Self {
        Self { store, clock, name, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters this process among the nodes, as `node`: a random word. Who had its name before is gone.
    pub async fn enter(&self, node: String) -> Result<(), StoreError> {
        let (id, name, now) = (node.clone(), self.name.clone(), self.clock.now());
        self.store
            .transact(move |tx| async move {
                tx.lock("node", &name).await?;
                let before =
                    tx.query("SELECT node_id FROM gateway_nodes WHERE name = $1", params![&name]).await?;
                for former in &before {
                    remove(&tx, &former.get::<String>(0)?, None, now).await?;
                }
                tx.execute(
                    "INSERT INTO gateway_nodes (node_id, name, beat, started_at) VALUES ($1, $2, 0, $3)",
                    params![id, name, now],
                )
                .await?;
                Ok::<_, StoreError>(())
            })
            .await?;
        let mut state = self.state();
        state.node = node;
        state.written.clear();
        Ok(())
    }

    /// Enters a connection, if its person has at most `limit`: `here` of them on this node, it among them. Answers
    /// whether it may stay.
    pub async fn arrive(
        &self,
        connection: &Connected,
        here: usize,
        limit: usize,
    ) -> Result<bool, StoreError> {
        let (node, silent) = {
            let state = self.state();
            let silent = state.signs.iter().filter(|(_, (_, since))| since.elapsed() >= SILENT);
            (state.node.clone(), silent.map(|(node, _)| node.clone()).collect::<HashSet<_>>())
        };
        let (row, own) = (connection.clone(), node.clone());
        let stays = self
            .store
            .transact(move |tx| async move {
                // Two of one person are counted one after the other, whatever their nodes.
                tx.lock("connections", row.user_id.as_str()).await?;
                let elsewhere = tx
                    .query(
                        "SELECT node_id, COUNT(*)
                         FROM connections
                         WHERE user_id = $1 AND node_id <> $2
                         GROUP BY node_id",
                        params![row.user_id.as_str(), &own],
                    )
                    .await?;
                let mut open = here;
                for other in &elsewhere {
                    if !silent.contains(&other.get::<String>(0)?) {
                        open += usize::try_from(other.get::<u64>(1)?).unwrap_or(usize::MAX);
                    }
                }
                if open > limit {
                    return Ok(false);
                }
                write(&tx, &own, &row).await?;
                Ok::<_, StoreError>(true)
            })
            .await?;
        let mut state = self.state();
        if stays && state.node == node {
            state.written.insert(connection.id);
        }
        Ok(stays)
    }

    /// Shows signs of life, lets the rows of closed connections go and watches the other nodes, until `stop`;
    /// `present` tells what is open. A node that ends takes its rows along.
    pub async fn keep(
        &self,
        present: impl Fn() -> Vec<Connected> + Send + Sync,
        fresh: impl Fn() -> String + Send + Sync,
        stop: CancellationToken,
    ) {
        while pause(&stop).await {
            let kept = self.beat(&present, &fresh).await;
            if let Err(cause) = kept {
                tracing::debug!(%cause, "the connections of this node could not be told to others");
            }
            self.look().await;
        }
        let node = self.state().node.clone();
        let now = self.clock.now();
        let left = self.store.transact(move |tx| async move { remove(&tx, &node, None, now).await }).await;
        if let Err(cause) = left {
            tracing::debug!(%cause, "the rows of this node stay until others find it silent");
        }
    }

    /// Watches the nodes, for a process that holds no connections.
    pub async fn watch(&self, stop: CancellationToken) {
        while pause(&stop).await {
            self.look().await;
        }
    }

    async fn beat(
        &self,
        present: &(impl Fn() -> Vec<Connected> + Send + Sync),
        fresh: &(impl Fn() -> String + Send + Sync),
    ) -> Result<(), StoreError> {
        let node = self.state().node.clone();
        let lives = self
            .store
            .transact(move |tx| async move {
                let beat = tx
                    .execute("UPDATE gateway_nodes SET beat = beat + 1 WHERE node_id = $1", params![node])
                    .await?;
                Ok::<_, StoreError>(beat == 1)
            })
            .await?;
        if !lives {
            tracing::warn!(
                node = self.name,
                "others took this node for dead; it enters its connections again"
            );
            self.enter(fresh()).await?;
        }
        let mut open: HashMap<u64, Connected> = HashMap::new();
        for connection in present() {
            open.insert(connection.id, connection);
        }
        let (node, closed) = {
            let state = self.state();
            let closed: Vec<u64> =
                state.written.iter().filter(|id| !open.contains_key(id)).copied().collect();
            (state.node.clone(), closed)
        };
        for slice in closed.chunks(SLICE) {
            let (node, ids) = (node.clone(), slice.to_vec());
            self.store
                .transact(move |tx| async move {
                    for id in ids {
                        tx.execute(
                            "DELETE FROM connections WHERE node_id = $1 AND connection_id = $2",
                            params![&node, id],
                        )
                        .await?;
                    }
                    Ok::<_, StoreError>(())
                })
                .await?;
            let mut state = self.state();
            for id in slice {
                state.written.remove(id);
            }
        }
        if lives {
            return Ok(());
        }
        let open: Vec<Connected> = open.into_values().collect();
        for slice in open.chunks(SLICE) {
            let (node, rows) = (node.clone(), slice.to_vec());
            self.store
                .transact(move |tx| async move {
                    for row in &rows {
                        write(&tx, &node, row).await?;
                    }
                    Ok::<_, StoreError>(())
                })
                .await?;
            self.state().written.extend(slice.iter().map(|connection| connection.id));
        }
        Ok(())
    }

    /// Looks at the signs of life of all nodes, and removes the nodes that have none.
    async fn look(&self) {
        let looked = self
            .store
            .read(|tx| async move {
                let rows = tx.query("SELECT node_id, beat FROM gateway_nodes", params![]).await?;
                let sign = |row: &Row| Ok((row.get::<String>(0)?, row.get::<u64>(1)?));
                rows.iter().map(sign).collect::<Result<Vec<_>, StoreError>>()
            })
            .await;
        let now = Instant::now();
        let gone = {
            let mut state = self.state();
            let Ok(signs) = looked else {
                // While the database is away nobody can show a sign: silence counts anew from its return.
                state.signs.clear();
                return;
            };
            let before = std::mem::take(&mut state.signs);
            for (node, beat) in signs {
                let same = before.get(&node).filter(|(known, _)| *known == beat);
                let since = same.map_or(now, |(_, since)| *since);
                state.signs.insert(node, (beat, since));
            }
            let silent = state.signs.iter().filter(|(_, (_, since))| now - *since >= GONE);
            silent.map(|(node, (beat, _))| (node.clone(), *beat)).collect::<Vec<_>>()
        };
        for (node, beat) in gone {
            tracing::warn!(node, "a node is silent; its connections are taken for closed");
            let now = self.clock.now();
            let removed =
                self.store.transact(move |tx| async move { remove(&tx, &node, Some(beat), now).await });
            if let Err(cause) = removed.await {
                tracing::debug!(%cause, "a silent node could not be removed yet");
            }
        }
    }
}

async fn pause(stop: &CancellationToken) -> bool {
    tokio::select! {
        biased;
        () = stop.cancelled() => false,
        () = tokio::time::sleep(PAUSE) => true,
    }
}

async fn write(tx: &Tx, node: &str, row: &Connected) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO connections (node_id, connection_id, user_id, session_id, transport, since_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (node_id, connection_id) DO NOTHING",
        params![node, row.id, row.user_id.as_str(), row.session_id.as_str(), &row.transport, row.since],
    )
    .await?;
    Ok(())
}

/// Removes a node with its connections, whose people may be gone; where a sign is named, only if it has shown none since.
async fn remove(tx: &Tx, node: &str, sign: Option<u64>, now: Timestamp) -> Result<(), StoreError> {
    let removed = tx
        .execute(
            "DELETE FROM gateway_nodes WHERE node_id = $1 AND (CAST($2 AS BIGINT) < 0 OR beat = $2)",
            params![node, sign.map_or(-1, |sign| i64::try_from(sign).unwrap_or(i64::MAX))],
        )
        .await?;
    if removed == 1 {
        seen::node_went(tx, node, now).await?;
        tx.execute("DELETE FROM connections WHERE node_id = $1", params![node]).await?;
    }
    Ok(())
}

/// A page of all open connections, or of one person's, in the order of nodes and ids.
pub async fn list(
    tx: &Tx,
    user: Option<&UserId>,
    (node, id): &After,
    limit: usize,
) -> Result<Vec<(After, Connected)>, StoreError> {
    let rows = match user {
        Some(user) => {
            tx.query(
                "SELECT connections.node_id, connection_id, user_id, session_id, transport, since_at, name
                 FROM connections
                 JOIN gateway_nodes ON gateway_nodes.node_id = connections.node_id
                 WHERE (connections.node_id, connection_id) > ($1, $2) AND user_id = $3
                 ORDER BY connections.node_id, connection_id
                 LIMIT $4",
                params![node, *id, user.as_str(), limit],
            )
            .await?
        }
        None => {
            tx.query(
                "SELECT connections.node_id, connection_id, user_id, session_id, transport, since_at, name
                 FROM connections
                 JOIN gateway_nodes ON gateway_nodes.node_id = connections.node_id
                 WHERE (connections.node_id, connection_id) > ($1, $2)
                 ORDER BY connections.node_id, connection_id
                 LIMIT $3",
                params![node, *id, limit],
            )
            .await?
        }
    };
    let connected = |row: &Row| {
        let id: u64 = row.get(1)?;
        let connected = Connected {
            node: row.get(6)?,
            id,
            user_id: row.parse(2)?,
            session_id: row.parse(3)?,
            transport: row.get(4)?,
            since: row.get(5)?,
        };
        Ok(((row.get(0)?, id), connected))
    };
    rows.iter().map(connected).collect()
}

/// Whether somebody has an open connection, to any node.
pub async fn is_connected(tx: &Tx, user: &UserId) -> Result<bool, StoreError> {
    let row =
        tx.optional("SELECT 1 FROM connections WHERE user_id = $1 LIMIT 1", params![user.as_str()]).await?;
    Ok(row.is_some())
}

/// A page of the people who are connected, with how many connections each has, in the order of their ids.
pub async fn people(tx: &Tx, after: &str, limit: usize) -> Result<Vec<(UserId, u64)>, StoreError> {
    let rows = tx
        .query(
            "SELECT user_id, COUNT(*)
             FROM connections
             WHERE user_id > $1
             GROUP BY user_id
             ORDER BY user_id
             LIMIT $2",
            params![after, limit],
        )
        .await?;
    rows.iter().map(|row| Ok((row.parse(0)?, row.get(1)?))).collect()
}
