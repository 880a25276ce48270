//! Leaving: a connection is forgotten when whatever drained it is dropped, however that came.

use std::sync::Arc;

use crate::{Close, Connection, Gateway, Outlet as _, Queue};

/// Forgets its connection when it is dropped.
#[derive(Debug)]
pub(crate) struct Leave {
    pub(crate) gateway: Gateway,
    pub(crate) connection: Arc<Connection>,
    pub(crate) queue: Arc<Queue>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.queue.abandon();
        self.gateway.hub.leave(&self.connection);
        let (ack, slow) = (self.connection.take_ack(), self.was_slow());
        if ack.is_none() && !slow {
            return;
        }
        let (source, connection) = (Arc::clone(&self.gateway.source), Arc::clone(&self.connection));
        self.gateway.tasks.spawn(async move {
            if let Some(ack) = ack
                && let Err(problem) = source.confirm(&connection.user, &connection.session_id, ack).await
            {
                // The client confirms the same place again by the cursor that it comes back with.
                tracing::debug!(detail = problem.detail(), "a last acknowledgement was not kept");
            }
            if slow && let Err(problem) = source.cut(&connection).await {
                // It is said nowhere else but in the journey of what the device did not get.
                tracing::debug!(detail = problem.detail(), "that a slow client was cut is not noted");
            }
        });
    }
}

impl Leave {
    /// Whether the client did not take its frames, and has not come back meanwhile: a body that nobody reads is
    /// dropped late.
    fn was_slow(&self) -> bool {
        let session = &self.connection.session_id;
        let is_back = || {
            let others = self.gateway.hub.of(&self.connection.user);
            others.iter().any(|other| other.session_id == *session && other.id != self.connection.id)
        };
        self.queue.closed() == Some(Close::Slow) && !is_back()
    }
}
