//! `GET /users/{id}`.

use axum::{Json, extract::State};
use serde::Serialize;
use tidings::{
    Deps,
    api::{Problem, Segment, Somebody},
    model::{Timestamp, UserId},
};
use utoipa::ToSchema;

use crate::{
    model::{Counts, Profile, Status},
    store::people,
};

/// Somebody, as everybody who is signed in sees them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Profile)]
pub(super) struct ProfileBody {
    #[schema(value_type = String, example = "ada")]
    user_id: UserId,
    #[schema(example = "Ada Lovelace")]
    display_name: String,
    status: Status,
    counts: Counts,
    /// When they signed up.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Profile> for ProfileBody {
    fn from(profile: Profile) -> Self {
        let Profile { user_id, display_name, status, counts, created_at } = profile;
        Self { user_id, display_name, status, counts, created_at }
    }
}

/// Somebody's profile; `pending` until their sign-up came out of the log.
#[utoipa::path(
    get, path = "/api/v1/users/{id}", tag = "community", params(("id" = String, Path)),
    responses((status = 200, body = ProfileBody))
)]
pub(super) async fn get_profile(
    State(deps): State<Deps>,
    _caller: Somebody,
    Segment(id): Segment<UserId>,
) -> Result<Json<ProfileBody>, Problem> {
    let found = deps.store.read(move |tx| async move { people::profile(&tx, &id).await }).await?;
    found.map(|profile| Json(profile.into())).ok_or_else(|| Problem::not_found("person"))
}
