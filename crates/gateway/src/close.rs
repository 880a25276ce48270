//! Why a connection ends, as clients are told.

/// Why the server ends a connection. Codes below 3500 invite the client back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The server stops; another one, or this one, is there soon.
    Shutdown,
    /// What the connection needs is away.
    Unavailable,
    /// The token is over or was withdrawn.
    Expired,
    /// The client did not take its frames.
    Slow,
    /// The client must begin anew: its place here is lost.
    InsufficientState,
    /// The client did not answer a ping.
    NoPong,
    /// The token does not hold.
    InvalidToken,
    /// The client says what is not documented, at once or again and again.
    BadRequest,
    /// An operator ended it.
    Forced,
    /// The person has too many connections.
    ConnectionLimit,
}

impl Close {
    /// The WebSocket close code.
    pub const fn code(self) -> u16 {
        match self {
            Self::Shutdown => 3001,
            Self::Unavailable => 3004,
            Self::Expired => 3005,
            Self::Slow => 3008,
            Self::InsufficientState => 3010,
            Self::NoPong => 3012,
            Self::InvalidToken => 3500,
            Self::BadRequest => 3501,
            Self::Forced => 3503,
            Self::ConnectionLimit => 3504,
        }
    }

    /// The word beside the code.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::Unavailable => "unavailable",
            Self::Expired => "expired",
            Self::Slow => "slow",
            Self::InsufficientState => "insufficient_state",
            Self::NoPong => "no_pong",
            Self::InvalidToken => "invalid_token",
            Self::BadRequest => "bad_request",
            Self::Forced => "forced",
            Self::ConnectionLimit => "connection_limit",
        }
    }
}
