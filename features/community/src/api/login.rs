//! `POST /login`: a token for a user name and its password.
//!
//! Whether there is no such account or the password is another one, the answer is the same and takes as long.

use std::time::Duration;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tidings::{
    api::{Code, Problem, RawBody, audit::Peer},
    model::Timestamp,
};
use utoipa::ToSchema;

use super::{DOOR_BYTES, Door};
use crate::{model::user_name, password::Password, store::people};

/// How long a token holds.
const LIFE: Duration = Duration::from_hours(12);

/// Somebody who has an account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogIn {
    #[schema(example = "ada")]
    username: String,
    #[schema(value_type = String, format = Password, example = "correct horse battery")]
    password: Password,
}

/// What shows who somebody is.
#[derive(Serialize, ToSchema)]
pub(super) struct LoggedIn {
    /// For `Authorization: Bearer …`.
    token: String,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Get a token for your user name and password.
#[utoipa::path(
    post, path = "/api/v1/login", tag = "community", security(()), request_body = LogIn,
    responses((status = 200, description = "a token that holds for twelve hours", body = LoggedIn),
        (status = 401, description = "no account has this user name and this password"),
        (status = 409, description = "this server makes no tokens"),
        (status = 429, description = "too many attempts with this name or from this address; wait"))
)]
pub(super) async fn log_in(
    State(door): State<Door>,
    Peer(from): Peer,
    body: RawBody,
) -> Result<Json<LoggedIn>, Problem> {
    body.limit(DOOR_BYTES)?;
    let LogIn { username, password } = body.parse()?;
    let user_id = user_name(&username).map_err(|wrong| Problem::field("/username", wrong))?;
    if let Some(wrong) = password.check() {
        return Err(Problem::field("/password", wrong));
    }
    let mint = door.mint()?;
    door.attempts.take(&user_id, from.ip())?;
    let asked = user_id.clone();
    let kept = door.deps.store.read(move |tx| async move { people::password_of(&tx, &asked).await }).await?;
    if !door.passwords.matches(password, kept).await? {
        return Err(Problem::new(Code::Unauthorized, "no account has this user name and this password"));
    }
    let expires_at = door.deps.clock.now().plus(LIFE);
    let token = mint.token(user_id.as_str(), None, None, LIFE).map_err(|cause| {
        tracing::error!(cause, "a token could not be signed");
        Problem::new(Code::Internal, "the request failed; nothing of it was kept")
    })?;
    Ok(Json(LoggedIn { token, expires_at }))
}
