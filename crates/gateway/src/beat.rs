//! The beat: one task that keeps all lines, forwards acknowledgements, and makes room when memory is short.

use std::{cmp::Reverse, time::Duration};

use futures_util::StreamExt as _;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{Close, Gateway, Reason};

/// The pause between two looks at all lines.
const LOOK: Duration = Duration::from_secs(1);
/// Acknowledgements that are forwarded at once.
const CONFIRMING: usize = 16;

fn looks() -> Interval {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

impl Gateway {
    /// Keeps all lines until `stop`. A database that is slow to take acknowledgements stops no heart.
    pub async fn keep_lines(&self, stop: CancellationToken) {
        let beat = async {
            let mut look = looks();
            loop {
                tokio::select! {
                    biased;
                    () = self.budget.passed() => self.make_room(),
                    now = look.tick() => self.look(now),
                }
            }
        };
        let forward = async {
            let mut look = looks();
            loop {
                look.tick().await;
                self.forward_acks().await;
            }
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = beat => {}
            () = forward => {}
        }
    }

    /// Does what is due on every line.
    fn look(&self, now: Instant) {
        let (wall, pauses) = (self.clock.now(), self.options.pauses());
        for connection in self.hub.connections() {
            let due = connection.line.due(pauses, now, wall);
            if let Some(close) = due.close {
                connection.outlet.close(close);
                continue;
            }
            // A line that is full or closed is dealt with where it is drained.
            if let Some(expires_at) = due.expiring {
                connection.outlet.offer(connection.wire.token_expiring(expires_at), Reason::Live).ok();
            }
            if due.heartbeat {
                connection.outlet.offer(connection.wire.heartbeat(), Reason::Signal).ok();
            }
            if due.cursor {
                connection.cursor_beat(self.hub.shown(), &self.feed.generations());
            }
        }
    }

    /// Forwards the newest acknowledgement of each session, about once a second.
    async fn forward_acks(&self) {
        let acked = self.hub.connections().into_iter().filter_map(|connection| {
            let ack = connection.take_ack()?;
            Some((connection, ack))
        });
        futures_util::stream::iter(acked)
            .for_each_concurrent(CONFIRMING, |(connection, ack)| async move {
                if let Err(problem) = self.source.confirm(&connection.user, &connection.session_id, ack).await
                {
                    tracing::debug!(detail = problem.detail(), "an acknowledgement waits for the database");
                    connection.line.give_ack_back();
                }
            })
            .await;
    }

    /// Ends the connections with the most waiting bytes until the node is within its limit.
    fn make_room(&self) {
        let mut excess = self.budget.excess();
        let mut connections = self.hub.connections();
        connections.sort_by_cached_key(|connection| Reverse(connection.outlet.bytes()));
        for connection in connections {
            if excess == 0 {
                return;
            }
            excess = excess.saturating_sub(connection.outlet.bytes());
            connection.outlet.cut(Close::Slow);
        }
    }

    /// Takes nobody new, tells everybody when to come back, and ends all streams once that is written.
    pub fn drain(&self) {
        self.admission.close();
        for connection in self.hub.connections() {
            let reconnect_ms = fastrand::u32(self.options.reconnect_ms.clone());
            connection.outlet.offer(connection.wire.shutdown(reconnect_ms), Reason::Live).ok();
            connection.outlet.close(Close::Shutdown);
        }
    }
}
