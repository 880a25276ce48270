//! Scopes: what a token may allow, beyond what everybody may do for themselves.

/// One permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Create, change and cancel broadcasts.
    BroadcastWrite,
    /// See broadcasts and who got them.
    BroadcastRead,
    /// Say messages of the caller's own type.
    MessageWrite,
    /// Change the directory.
    DirectoryWrite,
    /// See operators' views.
    OpsRead,
    /// Read topics.
    LogRead,
    /// See dead letters.
    DeadLetterRead,
    /// Send dead letters through again, and purge them.
    DeadLetterWrite,
    /// Pause, resume and reset groups.
    OpsWrite,
    /// See service keys.
    KeysRead,
    /// Make service keys, and revoke them.
    KeysWrite,
}

impl Scope {
    /// The word in a token's `scope`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BroadcastWrite => "broadcast:write",
            Self::BroadcastRead => "broadcast:read",
            Self::MessageWrite => "message:write",
            Self::DirectoryWrite => "directory:write",
            Self::OpsRead => "ops:read",
            Self::LogRead => "log:read",
            Self::DeadLetterRead => "dlt:read",
            Self::DeadLetterWrite => "dlt:write",
            Self::OpsWrite => "ops:write",
            Self::KeysRead => "keys:read",
            Self::KeysWrite => "keys:write",
        }
    }
}
