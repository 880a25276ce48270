//! Leaving: a connection is forgotten when whatever drained it is dropped, however that came.

use std::sync::Arc;

use crate::{Connection, Gateway, Queue};

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
        let Some(ack) = self.connection.take_ack() else { return };
        let (source, connection) = (Arc::clone(&self.gateway.source), Arc::clone(&self.connection));
        self.gateway.tasks.spawn(async move {
            if let Err(problem) = source.confirm(&connection.user, &connection.session_id, ack).await {
                // The client confirms the same place again by the cursor that it comes back with.
                tracing::debug!(detail = problem.detail(), "a last acknowledgement was not kept");
            }
        });
    }
}
