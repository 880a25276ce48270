//! The floor of creating a broadcast: its statements, behind one route that asks and checks nothing.

use std::{path::Path, sync::Arc};

use axum::{Router, extract::State, http::StatusCode, routing::post};
use serde_json::json;
use tidings::{Deps, Ingest, Online, Signals};
use tidings_consumer::{Consumer, Logged, Options};
use tidings_log::Log;
use tidings_model::{Clock, Ids, NewEvent, SystemClock, Timestamp};
use tidings_store::{StoreError, Tx, params};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{Failure, people};

/// A seed for ids; nobody compares them.
const SEED: u64 = 1;
/// How long a broadcast of the floor lives, in milliseconds: 30 days.
const LIFE_MILLIS: i64 = 30 * 24 * 3600 * 1000;

/// Serves on a database in a folder; with handlers, what was created is carried to its delivery record.
pub(super) fn serve(folder: &Path, handlers: bool) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (store, log) = people::open(folder, &clock).await?;
        let ids = Arc::new(Ids::new(Arc::clone(&clock), SEED));
        let deps = Deps {
            store,
            ingest: Ingest::default(),
            signals: Signals::default(),
            online: Online::default(),
            clock,
            ids,
            faults: false,
        };
        let mut consumers = JoinSet::new();
        if handlers {
            start_handlers(&deps, &log, &mut consumers);
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        super::say(listener.local_addr()?)?;
        let router = Router::new().route("/api/v1/broadcasts", post(create)).with_state(deps);
        axum::serve(listener, router).await?;
        Ok(())
    })
}

/// The handlers of broadcasts, as the server starts them.
fn start_handlers(deps: &Deps, log: &Arc<dyn Log>, consumers: &mut JoinSet<()>) {
    for handler in tidings_broadcast::feature(deps, None).handlers {
        let group: Arc<str> = handler.group().into();
        let consumer = Consumer {
            group: Arc::clone(&group),
            handlers: vec![handler],
            store: deps.store.clone(),
            log: Arc::clone(log),
            clock: Arc::clone(&deps.clock),
            options: Options::default(),
            observer: Arc::new(Logged),
        };
        consumers.spawn(async move {
            if let Err(cause) = consumer.run(CancellationToken::new()).await {
                tracing::error!(group = &*group, %cause, "a consumer of the floor ended");
            }
        });
    }
}

async fn create(State(deps): State<Deps>, content: String) -> StatusCode {
    let now = deps.clock.now();
    let ids = Arc::clone(&deps.ids);
    match deps.store.transact(move |tx| async move { insert(&tx, &ids, &content, now).await }).await {
        Ok(()) => StatusCode::CREATED,
        Err(_cause) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The statements of `features/broadcast`: the row, and the first event of its life.
async fn insert(tx: &Tx, ids: &Ids, content: &str, now: Timestamp) -> Result<(), StoreError> {
    let id = ids.broadcast().to_string();
    let said =
        json!({ "title": null, "content": content, "data": null, "action_url": null, "category": null });
    tx.execute(
        "INSERT INTO broadcasts (broadcast_id, status, sender_id, said, target, selected, priority,
                                 created_at, scheduled_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        params![
            &id,
            "active",
            "floor",
            said.to_string(),
            r#"{"type":"all"}"#,
            None::<usize>,
            "normal",
            now,
            None::<Timestamp>,
            Timestamp(now.millis() + LIFE_MILLIS)
        ],
    )
    .await?;
    let activated = json!({
        "broadcastId": &id, "step": "ACTIVATED", "timestamp": now, "senderId": "floor", "title": null,
        "content": content,
    });
    tx.put_event(&NewEvent {
        id: ids.event(),
        topic: "broadcast-messages",
        event_type: "BroadcastActivated",
        key: Some(id),
        payload: activated.to_string().into_bytes(),
        time: now,
        trace_parent: None,
        late: false,
    })
    .await?;
    Ok(())
}
