//! `/healthz`, `/readyz`: for whoever decides where work goes. They need no token and tell nothing that does.

use axum::{Json, extract::State};
use serde::Serialize;
use tidings_api::{Code, Problem};
use tidings_delivery::core::Place;
use tidings_gateway::Gateway;
use tidings_store::{Store, StoreHealth};
use tokio::sync::watch;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Deliveries that the connections of a ready process may be behind the log.
const BEHIND: u64 = 1000;

/// What readiness depends on.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    /// Commits, or does not.
    pub(crate) store: Store,
    /// Shows what the delivery log brings.
    pub(crate) gateway: Gateway,
    /// The newest place of the delivery log.
    pub(crate) head: watch::Receiver<u64>,
    /// False from the moment in which the process drains.
    pub(crate) takes_work: watch::Receiver<bool>,
}

/// It runs.
#[derive(Serialize, ToSchema)]
struct Well {
    #[schema(example = "ok")]
    status: &'static str,
}

pub(crate) fn routes(health: Health) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).with_state(health)
}

/// Whether the process runs.
#[utoipa::path(
    get, path = "/healthz", tag = "operators", security(()),
    responses((status = 200, body = Well, description = "it runs"))
)]
async fn healthz() -> Json<Well> {
    Json(Well { status: "ok" })
}

/// Whether the process takes work; the problem says what is wrong.
#[utoipa::path(
    get, path = "/readyz", tag = "operators", security(()),
    responses((status = 200, body = Well, description = "it does"))
)]
async fn readyz(State(health): State<Health>) -> Result<Json<Well>, Problem> {
    let wrong = health.wrong();
    if wrong.is_empty() {
        return Ok(Json(Well { status: "ok" }));
    }
    Err(Problem::new(Code::Unavailable, wrong.join("; ")).retry_after(1))
}

impl Health {
    /// Why this process should be given no work.
    pub(crate) fn wrong(&self) -> Vec<&'static str> {
        let mut wrong = Vec::new();
        if !*self.takes_work.borrow() {
            wrong.push("it is stopping");
        }
        if !self.store_is_well() {
            wrong.push("the database does not take writes");
        }
        if self.head().0 > self.gateway.hub.shown().0 + BEHIND {
            wrong.push("its streams are behind the delivery log");
        }
        wrong
    }

    /// Whether the last commit succeeded.
    pub(crate) fn store_is_well(&self) -> bool {
        matches!(*self.store.health().borrow(), StoreHealth::Well)
    }

    /// The newest place of the delivery log.
    pub(crate) fn head(&self) -> Place {
        Place(*self.head.borrow())
    }
}
