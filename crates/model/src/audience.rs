//! Audiences: who a message is for.

use serde::{Deserialize, Serialize};

use crate::Channel;

/// Everybody who listens to one of `any` and to none of `none`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audience {
    /// One of these is enough.
    pub any: Vec<Channel>,
    /// One of these is too much.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub none: Vec<Channel>,
}

impl Audience {
    /// The audience of one channel.
    pub fn of(channel: Channel) -> Self {
        Self { any: vec![channel], none: Vec::new() }
    }

    /// Whether somebody who has exactly the channels for which `has` is true is meant.
    pub fn includes(&self, has: impl Fn(&Channel) -> bool) -> bool {
        self.any.iter().any(&has) && !self.none.iter().any(&has)
    }
}
