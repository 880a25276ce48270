//! `/directory/users`, `/channels/{name}/members/{user}`: who there is, and who listens to what.

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tidings_api::{Caller, Page, PageQuery, Params, Problem, RawBody, Scope, Segment, encode_page};
use tidings_model::{Channel, UserId};
use tidings_store::Lane;
use utoipa::{IntoParams, ToSchema};

use super::DeliveryApi;
use crate::{
    change::{self, Wish},
    directory::{self, DirectoryUser},
};

/// The list's name in its cursors.
const LIST: &str = "directory";
/// The most bytes of one person.
const BODY_BYTES: usize = 64 << 10;
/// The most roles, groups or app channels of one person.
pub(super) const MAX_CHANNELS: usize = 200;
/// The longest name that is shown, in bytes.
const NAME_BYTES: usize = 256;

/// A person, as somebody puts them in. A list that is absent leaves what is known.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PutUser {
    /// How they are shown; their id where nobody said it.
    pub(super) display_name: Option<String>,
    pub(super) roles: Option<Vec<String>>,
    pub(super) groups: Option<Vec<String>>,
    /// Names of app channels.
    pub(super) channels: Option<Vec<String>>,
    /// Whether they may come in no more: their streams end, and their tokens hold no longer here.
    pub(super) disabled: Option<bool>,
}

/// Somebody of the directory.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DirectoryUser)]
pub(super) struct UserBody {
    #[schema(value_type = String, example = "alice")]
    user_id: UserId,
    display_name: String,
    roles: Vec<String>,
    groups: Vec<String>,
    channels: Vec<String>,
    disabled: bool,
}

impl From<DirectoryUser> for UserBody {
    fn from(user: DirectoryUser) -> Self {
        let of = |family: &str| {
            let named = user.channels.iter().filter(|channel| channel.family() == family);
            named.map(|channel| channel.name().to_owned()).collect()
        };
        let (roles, groups, channels) = (of("role"), of("group"), of("app"));
        let DirectoryUser { user_id, display_name, disabled, channels: _ } = user;
        Self { user_id, display_name, roles, groups, channels, disabled }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct UsersQuery {
    /// Only people whose id begins like this.
    prefix: Option<String>,
}

/// People, by id.
#[utoipa::path(
    get, path = "/api/v1/directory/users", tag = "directory", security(("token" = ["directory:write"])),
    params(UsersQuery, PageQuery), responses((status = 200, body = Page<UserBody>, description = "a page of them"))
)]
pub(super) async fn list_users(
    State(api): State<DeliveryApi>,
    caller: Caller,
    Params(query): Params<UsersQuery>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<UserBody>>, Problem> {
    caller.require(Scope::DirectoryWrite)?;
    let (limit, after) = (page.limit()?, page.after::<String>(LIST)?);
    let prefix = query.prefix.unwrap_or_default();
    let users =
        api.store.read(move |tx| async move { directory::list(&tx, &prefix, after, limit).await }).await?;
    let next_cursor =
        users.last().filter(|_| users.len() == limit).map(|last| encode_page(LIST, &last.user_id));
    Ok(Json(Page { items: users.into_iter().map(UserBody::from).collect(), next_cursor }))
}

impl PutUser {
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.display_name.as_ref().is_some_and(|name| name.len() > NAME_BYTES) {
            return Err(Problem::field("/display_name", format!("at most {NAME_BYTES} bytes")));
        }
        for (pointer, names) in
            [("/roles", &self.roles), ("/groups", &self.groups), ("/channels", &self.channels)]
        {
            let names = names.iter().flatten();
            if names.clone().count() > MAX_CHANNELS {
                return Err(Problem::field(pointer, format!("at most {MAX_CHANNELS} of them")));
            }
            for (at, name) in names.enumerate() {
                if let Err(cause) = name.parse::<UserId>() {
                    return Err(Problem::field(format!("{pointer}/{at}"), cause.to_string()));
                }
            }
        }
        Ok(())
    }

    pub(super) fn wish(self, user_id: UserId) -> Wish {
        let of = |names: Option<Vec<String>>, channel: fn(String) -> Channel| {
            names.map(|names| names.into_iter().map(channel).collect())
        };
        Wish {
            display_name: self.display_name,
            disabled: self.disabled,
            roles: of(self.roles, Channel::Role),
            groups: of(self.groups, Channel::Group),
            apps: of(self.channels, Channel::App),
            ..Wish::of(user_id)
        }
    }
}

/// Enter somebody, or change their name, roles, groups and app channels.
#[utoipa::path(
    put, path = "/api/v1/directory/users/{id}", tag = "directory", security(("token" = ["directory:write"])),
    params(("id" = String, Path)), request_body = PutUser,
    responses((status = 200, body = UserBody, description = "as they are now"))
)]
pub(super) async fn put_user(
    State(api): State<DeliveryApi>,
    caller: Caller,
    Segment(id): Segment<UserId>,
    body: RawBody,
) -> Result<Json<UserBody>, Problem> {
    caller.require(Scope::DirectoryWrite)?;
    body.limit(BODY_BYTES)?;
    let user: PutUser = body.parse()?;
    user.check()?;
    let put = change::change(&api.store, Lane::People, vec![user.wish(id)], api.clock.now()).await?;
    let user = put.into_iter().next().ok_or_else(|| Problem::not_found("person"))?;
    Ok(Json(user.into()))
}

/// Somebody of the directory.
#[utoipa::path(
    get, path = "/api/v1/directory/users/{id}", tag = "directory", security(("token" = ["directory:write"])),
    params(("id" = String, Path)), responses((status = 200, body = UserBody, description = "as they are now"))
)]
pub(super) async fn get_user(
    State(api): State<DeliveryApi>,
    caller: Caller,
    Segment(id): Segment<UserId>,
) -> Result<Json<UserBody>, Problem> {
    caller.require(Scope::DirectoryWrite)?;
    let user = api.store.read(move |tx| async move { directory::find(&tx, &id).await }).await?;
    user.map(|user| Json(user.into())).ok_or_else(|| Problem::not_found("person"))
}

/// Take somebody out of the directory. What they received stays counted; whoever comes again with a token that holds is
/// entered anew: to keep them out, disable them.
#[utoipa::path(
    delete, path = "/api/v1/directory/users/{id}", tag = "directory", security(("token" = ["directory:write"])),
    params(("id" = String, Path)), responses((status = 204, description = "they are not in it, now or before"))
)]
pub(super) async fn delete_user(
    State(api): State<DeliveryApi>,
    caller: Caller,
    Segment(id): Segment<UserId>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::DirectoryWrite)?;
    api.wish(Wish { gone: true, ..Wish::of(id) }).await
}

/// The channel and the person of `/channels/{name}/members/{user}`.
fn member((name, user): (String, String)) -> Result<(Channel, UserId), Problem> {
    let missing = || Problem::not_found("channel or person");
    let channel = format!("app:{name}").parse().map_err(|_cause| missing())?;
    Ok((channel, user.parse().map_err(|_cause| missing())?))
}

/// Let somebody listen to an app channel.
#[utoipa::path(
    put, path = "/api/v1/channels/{name}/members/{user}", tag = "directory",
    security(("token" = ["directory:write"])), params(("name" = String, Path), ("user" = String, Path)),
    responses((status = 204, description = "they do, now or before"))
)]
pub(super) async fn put_member(
    State(api): State<DeliveryApi>,
    caller: Caller,
    Path(path): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::DirectoryWrite)?;
    let (channel, user) = member(path)?;
    api.wish(Wish { join: Some(channel), ..Wish::of(user) }).await
}

/// Let somebody no longer listen to an app channel.
#[utoipa::path(
    delete, path = "/api/v1/channels/{name}/members/{user}", tag = "directory",
    security(("token" = ["directory:write"])), params(("name" = String, Path), ("user" = String, Path)),
    responses((status = 204, description = "they do not, now or before"))
)]
pub(super) async fn delete_member(
    State(api): State<DeliveryApi>,
    caller: Caller,
    Path(path): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::DirectoryWrite)?;
    let (channel, user) = member(path)?;
    api.wish(Wish { leave: Some(channel), ..Wish::of(user) }).await
}

impl DeliveryApi {
    async fn wish(&self, wish: Wish) -> Result<StatusCode, Problem> {
        change::change(&self.store, Lane::People, vec![wish], self.clock.now()).await?;
        Ok(StatusCode::NO_CONTENT)
    }
}
