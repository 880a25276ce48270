//! Bringing a client up to the present: what it missed, or what is pending, then live.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use tidings_delivery::core::{Cursor, LogBounds, NotRecovered, Place};

use crate::{Close, Gateway, hub::Connection};

/// Rows that are read at once.
const PAGE: usize = 200;

/// From where a client goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Begin {
    /// After a place that it confirmed.
    After(Place),
    /// With what is pending: it came without a cursor that holds.
    Pending(NotRecovered),
}

impl Gateway {
    /// Where a cursor leads, if it holds.
    pub(crate) fn begin_at(&self, cursor: Option<&str>, connection_narrowing: tidings_delivery::core::Narrowing) -> Begin {
        let Some(text) = cursor.filter(|text| !text.is_empty()) else {
            return Begin::Pending(NotRecovered::NoCursor);
        };
        let Ok(cursor) = text.parse::<Cursor>() else { return Begin::Pending(NotRecovered::UnknownCursor) };
        let head = *self.feed.head().borrow();
        let bounds = LogBounds { kept_after: Place::ORIGIN, head };
        match self.feed.generations().resolve(&cursor, connection_narrowing, bounds) {
            Ok(place) => Begin::After(place),
            Err(reason) => Begin::Pending(reason),
        }
    }

    /// Sends `ready`, then what was missed, then goes live. Ends early when the connection is closed.
    pub(crate) async fn resume(&self, connection: &Arc<Connection>, begin: Begin) -> Result<(), Close> {
        let (ready_cursor, recovered, reason) = match begin {
            Begin::After(place) => {
                let cursor = self.feed.generations().cursor(place, connection.narrowing);
                (Some(cursor.encode()), true, None)
            }
            Begin::Pending(reason) => (None, false, Some(reason.as_str())),
        };
        let ready = json!({
            "session_id": connection.session,
            "user_id": connection.person.user_id,
            "recovered": recovered,
            "reason": reason,
            "cursor": ready_cursor,
            "heartbeat_secs": self.options.heartbeat.as_secs(),
        });
        let retry = fastrand::u32(2000..=5000);
        let block = format!("event: ready\nretry: {retry}\ndata: {ready}\n\n");
        connection.queue.push(Bytes::from(block))?;
        let mut place = match begin {
            Begin::After(place) => place,
            Begin::Pending(_) => self.send_pending(connection).await?,
        };
        loop {
            if self.hub.go_live(connection, place, &self.feed) {
                return Ok(());
            }
            let upto = *self.feed.head().borrow();
            let page = self.source.after(&connection.person, place, upto, PAGE).await.map_err(|_away| Close::Unavailable)?;
            place = if page.len() < PAGE { upto } else { page.last().map_or(upto, |last| last.place) };
            for delivery in page {
                connection.queue.push_when_free(connection.frame(&delivery)).await?;
            }
        }
    }

    /// What is pending, without cursors, and a `cursor` frame that ends it.
    async fn send_pending(&self, connection: &Arc<Connection>) -> Result<Place, Close> {
        let upto = *self.feed.head().borrow();
        let pending = self.source.pending(&connection.person, upto, self.options.catch_up_max).await;
        let (page, total) = pending.map_err(|_away| Close::Unavailable)?;
        let sent = page.len() as u64;
        for delivery in page {
            connection.queue.push_when_free(delivery.sse_with(None)).await?;
        }
        if total > sent {
            let block = format!("event: digest\ndata: {}\n\n", json!({ "pending": total, "sent": sent }));
            connection.queue.push_when_free(Bytes::from(block)).await?;
        }
        let cursor = self.feed.generations().cursor(upto, connection.narrowing).encode();
        let block = format!("id: {cursor}\nevent: cursor\ndata: {}\n\n", json!({ "cursor": cursor }));
        connection.queue.push_when_free(Bytes::from(block)).await?;
        Ok(upto)
    }
}
