//! What happens with the record of a sign-up: the person gets a profile and is in the directory, once.

use std::sync::Arc;

use async_trait::async_trait;
use tidings::{
    consumer::{Handler, HandlerError},
    delivery::change::Wish,
    model::{Clock, Record},
    store::Tx,
};

use super::{PEOPLE, change, decode};
use crate::{
    events::{SIGNUPS_TOPIC, SignedUp},
    model::check_shown,
    store::people,
};

/// Makes profiles.
pub(crate) struct SignUps {
    pub(crate) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Handler for SignUps {
    fn name(&self) -> &'static str {
        "sign-ups"
    }

    fn topic(&self) -> &'static str {
        SIGNUPS_TOPIC
    }

    fn group(&self) -> &'static str {
        PEOPLE
    }

    async fn handle(&self, record: &Record, tx: &Tx) -> Result<(), HandlerError> {
        let SignedUp { user_id, username, display_name, timestamp } = decode(record)?;
        let display_name = display_name.or(username).unwrap_or_else(|| user_id.to_string());
        if let Some(wrong) = check_shown(&display_name) {
            return Err(HandlerError::reject(wrong));
        }
        let now = self.clock.now();
        let signed_up_at = timestamp.unwrap_or(record.time).min(now);
        if !people::put_profile(tx, &user_id, &display_name, signed_up_at).await? {
            return Ok(());
        }
        let wish = Wish { display_name: Some(display_name), ..Wish::of(user_id) };
        change(tx, wish, now).await
    }
}
