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
}

impl Close {
    /// The WebSocket close code.
    pub const fn code(self) -> u16 {
        match self {
            Self::Shutdown => 3001,
            Self::Unavailable => 3004,
            Self::Expired => 3005,
            Self::Slow => 3008,
        }
    }

    /// The word beside the code.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::Unavailable => "unavailable",
            Self::Expired => "expired",
            Self::Slow => "slow",
        }
    }
}
