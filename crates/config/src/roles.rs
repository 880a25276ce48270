//! A *role* is a part of the server's work. One process does all of it, unless it is told which parts are its own.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Config, ConfigError, check::holds};

/// A part of the server's work, in the order in which a message meets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Requests: of people, of services, and on the admin listener of operators.
    Api,
    /// Takes events from the outbox to the log.
    Relay,
    /// Handles records, projects deliveries, and does what comes due.
    Consumers,
    /// Streams, and the receipts that come back.
    Gateway,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Api, Self::Relay, Self::Consumers, Self::Gateway];

    /// Its word in settings and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Relay => "relay",
            Self::Consumers => "consumers",
            Self::Gateway => "gateway",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the roles are api, relay, consumers and gateway")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}

impl Config {
    /// The roles of this process, each once; refused where the rest could not run anywhere else.
    pub fn roles(&self) -> Result<BTreeSet<Role>, ConfigError> {
        let roles: BTreeSet<Role> = self.server.roles.iter().copied().collect();
        holds(
            !roles.is_empty(),
            "server.roles",
            "must name at least one of api, relay, consumers and gateway",
        )?;
        let shared = self.kafka_brokers().is_some() && !self.database.url.starts_with("sqlite:");
        holds(
            shared || roles.len() == Role::ALL.len(),
            "server.roles",
            "names a part of the roles, and the rest needs another process, which cannot open this one's file: \
             set kafka.brokers and a postgres:// database.url, or leave server.roles out",
        )?;
        Ok(roles)
    }
}
