//! What goes into a resume and what comes out of it.

use std::time::Duration;

use crate::{NotRecovered, Place};

/// From where a connection continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// From the place that its cursor [resolved](crate::Generations::resolve) to.
    After(Place),
    /// From what is pending, because it has no cursor that holds.
    Pending(NotRecovered),
}

/// What the hub shows to a connection that joins.
#[derive(Clone, Debug)]
pub struct Joined<'a> {
    /// The newest accepted place of the node's tail.
    pub tail: Place,
    /// [`Window::after`](crate::window::Window::after).
    pub window_after: Place,
    /// [`Window::removed`](crate::window::Window::removed).
    pub removed: Vec<&'a str>,
}

/// How much one catch-up may take.
#[derive(Clone, Copy, Debug)]
pub struct ResumeLimits {
    /// Records in one page of the projection.
    pub page: u32,
    /// Pending messages that are sent; the rest is counted in a digest.
    pub catch_up_max: u32,
    /// Frames that may be held while the past is read.
    pub held: usize,
    /// How long a node that is behind the cursor is waited for.
    pub wait: Duration,
}

impl Default for ResumeLimits {
    fn default() -> Self {
        Self { page: 200, catch_up_max: 200, held: 1_000, wait: Duration::from_secs(5) }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input<F> {
    /// The hub passes an accepted record: every one, in order, whatever the verdict.
    Tailed(F),
    /// Time passed, or the tail moved; the window reaches back to this place now.
    Tick {
        /// [`Window::after`](crate::window::Window::after).
        window_after: Place,
    },
    /// A page: all of the person's records after the asked place, up to `complete`, removals filled in.
    Projection {
        /// In the order of their places.
        records: Vec<F>,
        /// Nothing at or before it is missing: the last record's place if the page is full, otherwise the place
        /// to which the projection is complete, or the asked one if that is less.
        complete: Place,
        /// Whether the page was full.
        more: bool,
    },
    /// The database did not answer in time.
    ProjectionAway,
    /// What the window holds in the asked range; nothing if it does not reach back to it.
    Window {
        /// In the order of their places.
        records: Option<Vec<F>>,
        /// The asked end.
        upto: Place,
    },
    /// What is pending for the person, chosen by [`select_pending`](crate::select_pending), read in the
    /// transaction that wrote the session's [`Opening`](crate::session::Opening).
    Pending {
        /// Oldest first.
        send: Vec<F>,
        /// How many more there are.
        left_out: u64,
        /// The place of the opening: the projection is complete up to it.
        complete: Place,
    },
}

/// What to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect<F> {
    /// Read a page of the projection.
    ReadProjection {
        /// Records behind this place.
        after: Place,
        /// None behind this one.
        upto: Place,
        /// How many at most.
        limit: u32,
    },
    /// Read the window.
    ReadWindow {
        /// Records behind this place.
        after: Place,
        /// None behind this one.
        upto: Place,
    },
    /// Open the session: write its row and read what is pending, in one transaction.
    ReadPending {
        /// How many are sent at most, urgent ones aside.
        limit: u32,
    },
    /// Send the frame `ready`.
    SendReady {
        /// Why it was not recovered; `recovered` is true without a reason.
        not_recovered: Option<NotRecovered>,
        /// The cursor, where nothing had to be caught up; otherwise a `cursor` frame follows.
        cursor: Option<Place>,
    },
    /// Send a frame.
    Send {
        /// Which.
        frame: F,
        /// Whether it carries its cursor.
        with_cursor: bool,
    },
    /// Send the frame `digest`.
    SendDigest {
        /// How many pending messages were not sent.
        count: u64,
    },
    /// Send the frame `cursor`: the catch-up has ended, or a beat.
    SendCursor {
        /// Its place.
        place: Place,
    },
    /// Answer 503, or close with 3004 if `ready` was sent; with a jittered `Retry-After`.
    Refuse(Unavailable),
}

/// Why the past cannot be read now. The client comes back with the same cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unavailable {
    /// This node's tail did not reach the cursor in time.
    TailBehind,
    /// The database is away.
    ProjectionAway,
    /// The window does not reach back to the projection.
    WindowCold,
    /// More came in than may be held.
    TooMuchHeld,
}

impl Unavailable {
    /// The word for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TailBehind => "tail_behind",
            Self::ProjectionAway => "projection_away",
            Self::WindowCold => "window_cold",
            Self::TooMuchHeld => "too_much_held",
        }
    }
}
