//! What happens with what was found: if it still holds, the endpoint is called.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::{Value, json};
use tidings::{
    consumer::{Backoff, Handler, HandlerError, Limits, Options},
    delivery::unconfirmed::{self, Unconfirmed},
    derived,
    model::{Clock, Record, Timestamp, planted},
    store::{Store, Tx},
};

use crate::{
    call::{Call, CallError, Caller},
    events::{TOPIC, Unheard},
};

/// Calls of one partition that may be on their way at once.
const AT_ONCE: usize = 8;

/// Calls the endpoint.
pub(crate) struct Calls {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) retries: Vec<Duration>,
    pub(crate) caller: Caller,
}

#[async_trait]
impl Handler for Calls {
    fn name(&self) -> &'static str {
        "webhook-calls"
    }

    fn topic(&self) -> &'static str {
        TOPIC
    }

    fn group(&self) -> &'static str {
        "tidings-webhook-group"
    }

    fn batch(&self) -> usize {
        1
    }

    fn options(&self, options: Options) -> Options {
        let backoff = Backoff { waits: self.retries.clone(), ..options.backoff };
        let limits = Limits { lanes: AT_ONCE, ..options.limits };
        Options { backoff, limits, ..options }
    }

    async fn reach_out(&self, record: &Record) -> Result<(), HandlerError> {
        let value = record.value.as_deref().ok_or_else(|| HandlerError::reject("the record has no value"))?;
        let unheard: Unheard = serde_json::from_slice(value).map_err(HandlerError::reject)?;
        let (now, user, place) = (self.clock.now(), unheard.user_id.clone(), unheard.place);
        let found =
            self.store.read(move |tx| async move { unconfirmed::find(&tx, &user, place, now).await }).await?;
        // Confirmed, taken back, expired or left meanwhile: there is nobody to call for.
        let Some(found) = found else { return Ok(()) };
        let call = call(&unheard, &found, now);
        planted::crash_point("before_call");
        self.caller.call(&call).await.map_err(|error| match error {
            CallError::Gone => HandlerError::reject(error),
            CallError::Timeout { .. } | CallError::Status(_) | CallError::Unreachable(_) => {
                HandlerError::retry(error)
            }
        })?;
        planted::crash_point("after_call");
        Ok(())
    }

    async fn handle(&self, _record: &Record, _tx: &Tx) -> Result<(), HandlerError> {
        Ok(())
    }
}

fn call(unheard: &Unheard, found: &Unconfirmed, now: Timestamp) -> Call {
    let (item, user) = (found.item.as_str(), unheard.user_id.as_str());
    let said_at = if planted::is("webhook_id_anew") { now } else { found.created_at };
    let id: u128 = derived(&[item, user], said_at);
    // The frame's data; a feature may leave any of it out.
    let said: Value = serde_json::from_str(found.data.get()).unwrap_or_default();
    let body = json!({
        "type": "message.pending",
        "timestamp": unheard.found_at,
        "data": {
            "message_id": item,
            "user_id": user,
            "kind": found.kind,
            "title": said.get("title"),
            "content": said.get("content"),
            "action_url": said.get("action_url"),
            "created_at": found.created_at,
            "expires_at": found.expires_at,
            "quiet_until": found.quiet_until,
        },
    });
    Call { id: format!("pnd_{id:032x}"), at: now, body: body.to_string().into_bytes().into() }
}
