//! `/healthz`, `/readyz`: for whoever decides where work goes. They need no token and tell nothing that does.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{Json, extract::State};
use serde::Serialize;
use tidings_api::{Code, Problem};
use tidings_config::Role;
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
    /// What the process does.
    pub(crate) roles: Arc<BTreeSet<Role>>,
    /// Commits, or does not.
    pub(crate) store: Store,
    /// Shows what the delivery log brings, where the process has streams.
    pub(crate) gateway: Option<Gateway>,
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

/// It takes work.
#[derive(Serialize, ToSchema)]
struct Ready {
    #[schema(example = "ok")]
    status: &'static str,
    /// `ok` for each role that the process has.
    #[schema(value_type = BTreeMap<String, String>)]
    roles: BTreeMap<&'static str, &'static str>,
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

/// Whether the process takes work; the problem says what is wrong, and with which of its roles.
#[utoipa::path(
    get, path = "/readyz", tag = "operators", security(()),
    responses((status = 200, body = Ready, description = "it does"))
)]
async fn readyz(State(health): State<Health>) -> Result<Json<Ready>, Problem> {
    let wrong = health.wrong();
    if wrong.is_empty() {
        let roles = health.roles.iter().map(|role| (role.as_str(), "ok")).collect();
        return Ok(Json(Ready { status: "ok", roles }));
    }
    let wrong: Vec<String> = wrong.iter().map(Wrong::sentence).collect();
    Err(Problem::new(Code::Unavailable, wrong.join("; ")).retry_after(1))
}

/// Why a process should be given no work, or none of one role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    role: Option<Role>,
    what: &'static str,
}

impl Wrong {
    fn sentence(&self) -> String {
        self.role.map_or_else(|| self.what.to_owned(), |role| format!("{role}: {}", self.what))
    }
}

impl Health {
    /// Why this process should be given no work.
    pub(crate) fn wrong(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        if !*self.takes_work.borrow() {
            wrong.push(Wrong { role: None, what: "it is stopping" });
        }
        if !self.store_is_well() {
            wrong.push(Wrong { role: None, what: "the database does not take writes" });
        }
        if let Some(gateway) = &self.gateway
            && self.head().0 > gateway.hub.shown().0 + BEHIND
        {
            wrong.push(Wrong { role: Some(Role::Gateway), what: "its streams are behind the delivery log" });
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
