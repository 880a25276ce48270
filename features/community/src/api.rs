//! The routes of the community.

mod announce;

use tidings::{
    Deps, OpenApiRouter,
    api::{Code, Problem},
    model::EventId,
    routes,
    store::{StoreError, Tx},
};

use crate::{
    events,
    model::{Announcement, Said},
};

/// Who may announce something.
pub(crate) const WRITE: &str = "announce:write";

pub(crate) fn routes(deps: Deps) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(announce::announce)).with_state(deps)
}

/// The announcement of what somebody said, or what is wrong with it.
pub(crate) fn announcement(deps: &Deps, said: Said) -> Result<Announcement, Problem> {
    said.check().map_err(|wrong| match wrong.field() {
        Some(field) => Problem::fields(vec![field]),
        None => Problem::new(Code::TooLarge, wrong.to_string()),
    })?;
    Ok(Announcement { id: deps.ids.notification(), said, created_at: deps.clock.now() })
}

/// Announces it with this transaction.
pub(crate) async fn put(
    tx: &Tx,
    event_id: EventId,
    announcement: &Announcement,
    trace_parent: Option<String>,
) -> Result<(), StoreError> {
    tx.put_event(&events::announced(event_id, announcement, trace_parent)).await?;
    Ok(())
}
