//! `GET`, `POST` and `DELETE /testing/faults`: what fails on purpose. Only where `testing.faults` is set.

use axum::{Json, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tidings_api::{Caller, Code, Problem, RawBody, Scope};
use tidings_consumer::faults::{self, Fault, MOST_FAULTS};
use utoipa::ToSchema;

use super::Operators;

/// What is to fail; what is absent restricts nothing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanFault {
    /// Records of this topic.
    #[schema(example = "broadcast-messages")]
    topic: Option<String>,
    /// Records that this group handles.
    group: Option<String>,
    /// Records of this key.
    key: Option<String>,
    /// `transient`: the first two attempts of each record fail; `permanent`: each record becomes a dead letter.
    #[schema(example = "transient")]
    failure: String,
}

/// All faults.
#[derive(Serialize, ToSchema)]
pub(super) struct Faults {
    items: Vec<FaultBody>,
}

/// Something that fails on purpose.
#[derive(Serialize, ToSchema)]
#[schema(as = Fault)]
pub(super) struct FaultBody {
    id: String,
    topic: Option<String>,
    group: Option<String>,
    key: Option<String>,
    failure: String,
}

impl From<Fault> for FaultBody {
    fn from(fault: Fault) -> Self {
        let Fault { id, topic, group, key, failure } = fault;
        Self { id, topic, group, key, failure: failure.to_string() }
    }
}

/// What fails on purpose.
#[utoipa::path(
    get, path = "/api/v1/testing/faults", tag = "testing", security(("token" = ["ops:read"])),
    responses((status = 200, body = Faults, description = "all faults"))
)]
pub(super) async fn list_faults(
    State(operators): State<Operators>,
    caller: Caller,
) -> Result<Json<Faults>, Problem> {
    caller.require(Scope::OpsRead)?;
    let all = operators.store.read(|tx| async move { faults::list(&tx).await }).await?;
    Ok(Json(Faults { items: all.into_iter().map(FaultBody::from).collect() }))
}

/// Let handlers fail from now on, in every process.
#[utoipa::path(
    post, path = "/api/v1/testing/faults", tag = "testing", security(("token" = ["ops:write"])),
    request_body = PlanFault,
    responses((status = 201, body = FaultBody, description = "it fails"),
        (status = 409, description = "there are too many faults"))
)]
pub(super) async fn plan_fault(
    State(operators): State<Operators>,
    caller: Caller,
    body: RawBody,
) -> Result<(StatusCode, Json<FaultBody>), Problem> {
    caller.require(Scope::OpsWrite)?;
    let PlanFault { topic, group, key, failure } = body.parse()?;
    let failure = failure.parse::<faults::Failure>();
    let failure = failure.map_err(|unknown| Problem::field("/failure", unknown.to_string()))?;
    let fault = Fault { id: operators.ids.audit().to_string(), topic, group, key, failure };
    let planned = fault.clone();
    if !operators.store.transact(move |tx| async move { faults::plan(&tx, &planned).await }).await? {
        let sentence = format!("there are {MOST_FAULTS} faults; remove them with DELETE first");
        return Err(Problem::new(Code::Conflict, sentence));
    }
    Ok((StatusCode::CREATED, Json(fault.into())))
}

/// Let nothing fail any more.
#[utoipa::path(
    delete, path = "/api/v1/testing/faults", tag = "testing", security(("token" = ["ops:write"])),
    responses((status = 204, description = "nothing fails on purpose"))
)]
pub(super) async fn clear_faults(
    State(operators): State<Operators>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::OpsWrite)?;
    operators.store.transact(|tx| async move { faults::clear(&tx).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
