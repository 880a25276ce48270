//! `/inbox`, and `/notifications` as a view of it.

use axum::{Json, extract::State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tidings_api::{Caller, Page, PageQuery, Params, Problem, Segment, Somebody, encode_page};
use tidings_delivery_core::Place;
use tidings_model::{Timestamp, UserId};
use tidings_store::StoreError;
use utoipa::{IntoParams, ToSchema};

use super::DeliveryApi;
use crate::inbox::{self, InboxItem, InboxQuery, InboxState};

/// The list's name in its cursors.
const LIST: &str = "inbox";
/// The kind of the items of `/notifications`.
const NOTIFICATION: &str = "notification";
/// The most unread items that are counted: the most that an inbox holds.
const UNREAD_MAX: usize = 10_000;
/// Items that one transaction reads.
const SLICE: usize = 100;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct InboxParams {
    /// `pending`: confirmed by no device. `unread`: not read. `all`, where it is absent.
    #[param(inline, value_type = Option<InboxState>, example = "unread")]
    #[serde(default)]
    state: InboxState,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct KindParam {
    /// Only items of this kind: `broadcast`, `announcement`, `notification`, or a route's own word.
    kind: Option<String>,
}

/// An item of an inbox.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = InboxItem)]
pub(super) struct ItemBody {
    #[schema(example = "brd_01k3x9qk3m8v6t2n4p5r7s9w0y")]
    id: String,
    kind: String,
    /// pending, delivered or read
    state: &'static str,
    priority: &'static str,
    title: Option<String>,
    content: Option<String>,
    #[schema(value_type = serde_json::Value)]
    data: Option<Box<RawValue>>,
    action_url: Option<String>,
    category: Option<String>,
    sender_id: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    delivered_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    read_at: Option<Timestamp>,
}

/// How many items are unread.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UnreadCount {
    /// Unread items, at most 10,000.
    unread_count: usize,
}

/// What a frame's data says of an item.
#[derive(Default, Deserialize)]
struct Said {
    title: Option<String>,
    content: Option<String>,
    data: Option<Box<RawValue>>,
    action_url: Option<String>,
    category: Option<String>,
    sender_id: Option<String>,
}

impl From<InboxItem> for ItemBody {
    fn from(item: InboxItem) -> Self {
        let said: Said = serde_json::from_str(item.data.get()).unwrap_or_default();
        let state = match (item.read_at, item.delivered_at) {
            (Some(_), _) => "read",
            (None, Some(_)) => "delivered",
            (None, None) => "pending",
        };
        let priority = ["low", "normal", "high", "urgent"].get(item.rank.0 as usize);
        Self {
            id: item.id,
            kind: item.kind,
            state,
            priority: priority.copied().unwrap_or("normal"),
            title: said.title,
            content: said.content,
            data: said.data,
            action_url: said.action_url,
            category: said.category,
            sender_id: said.sender_id,
            created_at: item.created_at,
            expires_at: item.expires_at,
            delivered_at: item.delivered_at,
            read_at: item.read_at,
        }
    }
}

/// Your inbox: the most pressing first, then the newest.
#[utoipa::path(
    get, path = "/api/v1/inbox", tag = "inbox", params(InboxParams, KindParam, PageQuery),
    responses((status = 200, body = Page<ItemBody>, description = "a page of it"))
)]
pub(super) async fn list_inbox(
    State(api): State<DeliveryApi>,
    Somebody(caller): Somebody,
    Params(query): Params<InboxParams>,
    Params(KindParam { kind }): Params<KindParam>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<ItemBody>>, Problem> {
    api.list(&caller, query.state, kind, &page).await
}

/// How many items of your inbox are unread.
#[utoipa::path(
    get, path = "/api/v1/inbox/unread-count", tag = "inbox", params(KindParam),
    responses((status = 200, body = UnreadCount, description = "how many"))
)]
pub(super) async fn count_unread(
    State(api): State<DeliveryApi>,
    Somebody(caller): Somebody,
    Params(KindParam { kind }): Params<KindParam>,
) -> Result<Json<UnreadCount>, Problem> {
    api.unread(&caller, kind).await
}

/// Read an item; your other devices are told.
#[utoipa::path(
    post, path = "/api/v1/inbox/{id}/read", tag = "inbox", params(("id" = String, Path)),
    responses((status = 204, description = "read, now or before"))
)]
pub(super) async fn read_item(
    State(api): State<DeliveryApi>,
    Somebody(caller): Somebody,
    Segment(id): Segment<String>,
) -> Result<StatusCode, Problem> {
    api.read_one(&caller, id, None).await
}

/// Read everything that is in your inbox now.
#[utoipa::path(
    post, path = "/api/v1/inbox/read-all", tag = "inbox",
    responses((status = 204, description = "nothing of it is unread"))
)]
pub(super) async fn read_all(
    State(api): State<DeliveryApi>,
    Somebody(caller): Somebody,
) -> Result<StatusCode, Problem> {
    api.read_every(&caller, None).await
}

/// Take an item out of your inbox.
#[utoipa::path(
    delete, path = "/api/v1/inbox/{id}", tag = "inbox", params(("id" = String, Path)),
    responses((status = 204, description = "gone, now or before"))
)]
pub(super) async fn delete_item(
    State(api): State<DeliveryApi>,
    Somebody(caller): Somebody,
    Segment(id): Segment<String>,
) -> Result<StatusCode, Problem> {
    api.remove(&caller, id, None).await
}

/// Your notifications.
#[utoipa::path(
    get, path = "/api/v1/notifications", tag = "inbox", params(InboxParams, PageQuery),
    responses((status = 200, body = Page<ItemBody>, description = "a page of them"))
)]
pub(super) async fn list_notifications(
    State(api): State<DeliveryApi>,
    Somebody(caller): Somebody,
    Params(query): Params<InboxParams>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<ItemBody>>, Problem> {
    api.list(&caller, query.state, Some(NOTIFICATION.to_owned()), &page).await
}

/// How many of your notifications are unread.
#[utoipa::path(
    get, path = "/api/v1/notifications/unread-count", tag = "inbox",
    responses((status = 200, body = UnreadCount, description = "how many"))
)]
pub(super) async fn count_unread_notifications(
    State(api): State<DeliveryApi>,
    Somebody(caller): Somebody,
) -> Result<Json<UnreadCount>, Problem> {
    api.unread(&caller, Some(NOTIFICATION.to_owned())).await
}

/// Read a notification; your other devices are told.
#[utoipa::path(
    post, path = "/api/v1/notifications/{id}/read", tag = "inbox", params(("id" = String, Path)),
    responses((status = 204, description = "read, now or before"))
)]
pub(super) async fn read_notification(
    State(api): State<DeliveryApi>,
    Somebody(caller): Somebody,
    Segment(id): Segment<String>,
) -> Result<StatusCode, Problem> {
    api.read_one(&caller, id, Some(NOTIFICATION)).await
}

/// Read all your notifications.
#[utoipa::path(
    post, path = "/api/v1/notifications/read-all", tag = "inbox",
    responses((status = 204, description = "none of them is unread"))
)]
pub(super) async fn read_all_notifications(
    State(api): State<DeliveryApi>,
    Somebody(caller): Somebody,
) -> Result<StatusCode, Problem> {
    api.read_every(&caller, Some(NOTIFICATION)).await
}

/// Take a notification out of your inbox.
#[utoipa::path(
    delete, path = "/api/v1/notifications/{id}", tag = "inbox", params(("id" = String, Path)),
    responses((status = 204, description = "gone, now or before"))
)]
pub(super) async fn delete_notification(
    State(api): State<DeliveryApi>,
    Somebody(caller): Somebody,
    Segment(id): Segment<String>,
) -> Result<StatusCode, Problem> {
    api.remove(&caller, id, Some(NOTIFICATION)).await
}

impl DeliveryApi {
    async fn list(
        &self,
        caller: &Caller,
        state: InboxState,
        kind: Option<String>,
        page: &PageQuery,
    ) -> Result<Json<Page<ItemBody>>, Problem> {
        let after: Option<(u32, u64)> = page.after(LIST)?;
        let after = after.map(|(priority, place)| (priority, Place(place)));
        let query = InboxQuery { state, kind, after, limit: page.limit()? };
        let (user, now, limit) = (self.entered(caller).await?, self.clock.now(), query.limit);
        self.feed.catches_up().await?;
        let items =
            self.store.read(move |tx| async move { inbox::page(&tx, &user, &query, now).await }).await?;
        let last = items.last().filter(|_| items.len() == limit);
        let next_cursor = last.map(|last| encode_page(LIST, &(last.rank.0, last.rank.1.0)));
        Ok(Json(Page { items: items.into_iter().map(ItemBody::from).collect(), next_cursor }))
    }

    async fn unread(&self, caller: &Caller, kind: Option<String>) -> Result<Json<UnreadCount>, Problem> {
        let (user, now) = (self.entered(caller).await?, self.clock.now());
        self.feed.catches_up().await?;
        let counting =
            self.store.read(move |tx| async move { inbox::unread(&tx, &user, kind, UNREAD_MAX, now).await });
        Ok(Json(UnreadCount { unread_count: counting.await? }))
    }

    async fn read_one(
        &self,
        caller: &Caller,
        id: String,
        kind: Option<&'static str>,
    ) -> Result<StatusCode, Problem> {
        self.entered(caller).await?;
        let (person, now, event) = (self.person(caller).await?, self.clock.now(), self.ids.event());
        self.feed.settles(&person, std::slice::from_ref(&id)).await?;
        let witnesses = self.witnesses.clone();
        self.store
            .transact(move |tx| async move {
                of_kind(&tx, &id, kind).await?;
                let theirs = inbox::read(&tx, &person, &[id], event, &witnesses, now).await?;
                if theirs.is_empty() { Err(missing()) } else { Ok(StatusCode::NO_CONTENT) }
            })
            .await
    }

    /// Slice after slice, so that nobody waits for a large inbox.
    async fn read_every(&self, caller: &Caller, kind: Option<&str>) -> Result<StatusCode, Problem> {
        let user: UserId = self.entered(caller).await?;
        let person = self.person(caller).await?;
        let now = self.clock.now();
        let mut after = None;
        loop {
            let kind = kind.map(str::to_owned);
            let query = InboxQuery { state: InboxState::Unread, kind, after, limit: SLICE };
            let reader = user.clone();
            let items = self
                .store
                .read(move |tx| async move { inbox::page(&tx, &reader, &query, now).await })
                .await?;
            let Some(last) = items.last() else { return Ok(StatusCode::NO_CONTENT) };
            after = Some(last.rank);
            let ids: Vec<String> = items.into_iter().map(|item| item.id).collect();
            let (person, event) = (person.clone(), self.ids.event());
            let witnesses = self.witnesses.clone();
            self.store
                .transact(
                    move |tx| async move { inbox::read(&tx, &person, &ids, event, &witnesses, now).await },
                )
                .await?;
        }
    }

    async fn remove(
        &self,
        caller: &Caller,
        id: String,
        kind: Option<&'static str>,
    ) -> Result<StatusCode, Problem> {
        self.entered(caller).await?;
        let (person, now) = (self.person(caller).await?, self.clock.now());
        self.feed.settles(&person, std::slice::from_ref(&id)).await?;
        self.store
            .transact(move |tx| async move {
                of_kind(&tx, &id, kind).await?;
                let theirs = inbox::remove(&tx, &person, &id, now).await?;
                if theirs { Ok(StatusCode::NO_CONTENT) } else { Err(missing()) }
            })
            .await
    }
}

fn missing() -> Problem {
    Problem::not_found("item")
}

async fn of_kind(tx: &tidings_store::Tx, id: &str, kind: Option<&str>) -> Result<(), Problem> {
    let Some(kind) = kind else { return Ok(()) };
    let fits = inbox::is_kind(tx, id, kind).await.map_err(|cause: StoreError| Problem::from(cause))?;
    if fits { Ok(()) } else { Err(missing()) }
}
