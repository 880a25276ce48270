//! `/preferences`: what you do not want to hear of, and when.

use std::collections::BTreeSet;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use tidings_api::{Body, Problem, Somebody};
use tidings_store::Lane;
use utoipa::ToSchema;

use super::DeliveryApi;
use crate::{
    change::{self, Wish},
    preferences::{self, Preferences, Quiet},
};

/// The most categories that somebody mutes.
const MAX_CATEGORIES: usize = 100;
/// The longest name of a category, in bytes.
const CATEGORY_BYTES: usize = 256;

/// What you do not want to hear of, and when. Urgent messages come all the same.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Preferences)]
pub(super) struct PreferencesBody {
    /// Categories of which you want nothing.
    #[schema(value_type = Vec<String>, example = json!(["marketing"]))]
    muted_categories: BTreeSet<String>,
    /// When it is quiet: what comes then is shown when it is over.
    quiet_hours: Option<Quiet>,
}

impl From<Preferences> for PreferencesBody {
    fn from(preferences: Preferences) -> Self {
        let Preferences { muted_categories, quiet_hours } = preferences;
        Self { muted_categories, quiet_hours }
    }
}

impl PreferencesBody {
    fn check(self) -> Result<Preferences, Problem> {
        if self.muted_categories.len() > MAX_CATEGORIES {
            return Err(Problem::field("/muted_categories", format!("at most {MAX_CATEGORIES} of them")));
        }
        if self.muted_categories.iter().any(|name| name.is_empty() || name.len() > CATEGORY_BYTES) {
            return Err(Problem::field(
                "/muted_categories",
                format!("a category has 1 to {CATEGORY_BYTES} bytes"),
            ));
        }
        if let Some(cause) = self.quiet_hours.as_ref().and_then(|quiet| quiet.hours().err()) {
            return Err(Problem::field("/quiet_hours", cause.to_string()));
        }
        Ok(Preferences { muted_categories: self.muted_categories, quiet_hours: self.quiet_hours })
    }
}

/// Your preferences.
#[utoipa::path(
    get, path = "/api/v1/preferences", tag = "inbox",
    responses((status = 200, body = PreferencesBody, description = "as they are now"))
)]
pub(super) async fn get_preferences(
    State(api): State<DeliveryApi>,
    Somebody(caller): Somebody,
) -> Result<Json<PreferencesBody>, Problem> {
    let user = caller.user_id;
    let preferences = api.store.read(move |tx| async move { preferences::of(&tx, &user).await }).await?;
    Ok(Json(preferences.into()))
}

/// Replace your preferences. What they withheld until now and do not any more is sent to your devices.
#[utoipa::path(
    put, path = "/api/v1/preferences", tag = "inbox", request_body = PreferencesBody,
    responses((status = 200, body = PreferencesBody, description = "in force from now on, on all your devices"))
)]
pub(super) async fn put_preferences(
    State(api): State<DeliveryApi>,
    Somebody(caller): Somebody,
    Body(body): Body<PreferencesBody>,
) -> Result<Json<PreferencesBody>, Problem> {
    let wished = body.check()?;
    let user = api.entered(&caller).await?;
    let wish = Wish { preferences: Some(wished.clone()), ..Wish::of(user) };
    change::change(&api.store, Lane::People, vec![wish], api.clock.now()).await?;
    Ok(Json(wished.into()))
}
