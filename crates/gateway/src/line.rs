//! What keeps one connection's line: its heartbeats, its token's end, its newest acknowledgement.
//!
//! Pure but for the lock: the time comes in, what is due comes out; [`crate::beat`] does it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tidings_delivery::core::Place;
use tidings_model::Timestamp;
use tokio::time::Instant;

use crate::{Close, wire::Wire};

/// How long before its token's end a client is told.
const EXPIRING: Duration = Duration::from_mins(1);
/// Heartbeats from one cursor beat to the next.
const CURSOR_EVERY: u32 = 4;

/// The pauses of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pauses {
    pub(crate) heartbeat: Duration,
    pub(crate) ping: Duration,
    pub(crate) pong: Duration,
}

/// The line of one connection.
#[derive(Debug)]
pub(crate) struct Line(Mutex<State>);

#[derive(Debug)]
struct State {
    wire: Wire,
    next_beat: Instant,
    next_ping: Instant,
    beats: u32,
    pong_due: Option<Instant>,
    expires_at: Timestamp,
    told_expiring: bool,
    acked: Place,
    confirmed: Place,
}

/// What is due on a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// Show that the line is alive.
    pub(crate) heartbeat: bool,
    /// Tell a quiet session its place.
    pub(crate) cursor: bool,
    /// Tell that the token ends then.
    pub(crate) expiring: Option<Timestamp>,
    /// End the connection.
    pub(crate) close: Option<Close>,
}

impl Line {
    /// A line that begins now. Its beats stand at `share` of their pauses, so that not all beat at once.
    pub(crate) fn new(wire: Wire, pauses: Pauses, share: f64, now: Instant, expires_at: Timestamp) -> Self {
        Self(Mutex::new(State {
            wire,
            next_beat: now + pauses.heartbeat.mul_f64(share),
            next_ping: now + pauses.ping.mul_f64(share),
            beats: 0,
            pong_due: None,
            expires_at,
            told_expiring: false,
            acked: Place::ORIGIN,
            confirmed: Place::ORIGIN,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something came from the client: the line is alive.
    pub(crate) fn heard(&self) {
        self.state().pong_due = None;
    }

    /// The token was renewed; a renewal never shortens.
    pub(crate) fn renew(&self, expires_at: Timestamp) -> Timestamp {
        let mut state = self.state();
        if expires_at > state.expires_at {
            state.expires_at = expires_at;
            state.told_expiring = false;
        }
        state.expires_at
    }

    /// The client says it has everything up to a place. The newest counts.
    pub(crate) fn ack(&self, place: Place) {
        let mut state = self.state();
        state.acked = state.acked.max(place);
    }

    /// An acknowledgement that is to be forwarded; it is forwarded once.
    pub(crate) fn take_ack(&self) -> Option<Place> {
        let mut state = self.state();
        if state.acked <= state.confirmed {
            return None;
        }
        state.confirmed = state.acked;
        Some(state.acked)
    }

    /// An acknowledgement could not be forwarded; it is again.
    pub(crate) fn give_ack_back(&self) {
        self.state().confirmed = Place::ORIGIN;
    }

    /// What is due now; it is due once.
    pub(crate) fn due(&self, pauses: Pauses, now: Instant, wall: Timestamp) -> Due {
        let mut state = self.state();
        let mut due = Due::default();
        if wall >= state.expires_at {
            due.close = Some(Close::Expired);
        } else if state.pong_due.is_some_and(|due| now >= due) {
            due.close = Some(Close::NoPong);
        } else if wall.plus(EXPIRING) >= state.expires_at && !state.told_expiring {
            state.told_expiring = true;
            due.expiring = Some(state.expires_at);
        }
        if now >= state.next_beat {
            state.next_beat = now + pauses.heartbeat;
            state.beats = state.beats.wrapping_add(1);
            due.heartbeat = state.wire == Wire::Sse;
            due.cursor = state.beats.is_multiple_of(CURSOR_EVERY);
        }
        if state.wire == Wire::WebSocket && now >= state.next_ping {
            state.next_ping = now + pauses.ping;
            state.pong_due.get_or_insert(now + pauses.pong);
            due.heartbeat = true;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSES: Pauses = Pauses {
        heartbeat: Duration::from_secs(15),
        ping: Duration::from_secs(25),
        pong: Duration::from_secs(10),
    };

    fn line(wire: Wire, now: Instant) -> Line {
        Line::new(wire, PAUSES, 1.0, now, Timestamp(3_600_000))
    }

    #[test]
    fn every_fourth_heartbeat_tells_the_cursor() {
        let start = Instant::now();
        let line = line(Wire::Sse, start);
        let beats: Vec<bool> = (1..=8)
            .map(|beat| {
                let due = line.due(PAUSES, start + PAUSES.heartbeat * beat, Timestamp(0));
                assert!(due.heartbeat);
                due.cursor
            })
            .collect();
        assert_eq!(beats, [false, false, false, true, false, false, false, true]);
        assert_eq!(line.due(PAUSES, start + PAUSES.heartbeat * 8, Timestamp(0)), Due::default());
    }

    #[test]
    fn a_ping_that_stays_without_an_answer_ends_a_websocket_after_ten_seconds() {
        let start = Instant::now();
        let line = line(Wire::WebSocket, start);
        let at = |seconds| line.due(PAUSES, start + Duration::from_secs(seconds), Timestamp(0));
        assert!(at(25).heartbeat);
        line.heard();
        assert_eq!(at(40).close, None);
        assert!(at(50).heartbeat);
        assert_eq!((at(59).close, at(60).close), (None, Some(Close::NoPong)));
    }

    #[test]
    fn the_end_of_a_token_is_told_a_minute_before_and_a_renewal_puts_it_off() {
        let now = Instant::now();
        let line = line(Wire::Sse, now);
        let at = |seconds: i64| line.due(PAUSES, now, Timestamp(seconds * 1000));
        assert_eq!(at(3539), Due::default());
        assert_eq!(at(3540).expiring, Some(Timestamp(3_600_000)));
        assert_eq!(at(3541).expiring, None);
        assert_eq!(line.renew(Timestamp(7_200_000)), Timestamp(7_200_000));
        assert_eq!(line.renew(Timestamp(1)), Timestamp(7_200_000));
        assert_eq!(at(3600).close, None);
        assert_eq!(at(7140).expiring, Some(Timestamp(7_200_000)));
        assert_eq!(at(7200).close, Some(Close::Expired));
    }

    #[test]
    fn the_newest_acknowledgement_is_forwarded_once_whatever_order_they_come_in() {
        let line = line(Wire::WebSocket, Instant::now());
        for place in [3, 7, 5] {
            line.ack(Place(place));
        }
        assert_eq!((line.take_ack(), line.take_ack()), (Some(Place(7)), None));
        line.give_ack_back();
        assert_eq!(line.take_ack(), Some(Place(7)));
    }
}
