//! `tidings token`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use tidings_api::Mint;
use tidings_model::{SystemClock, UserId};

use super::settings;
use crate::{
    demo::{ADMIN, Demo},
    failure::Failure,
    terminal::say,
};

/// Mint a token for somebody, with the secret of the settings.
#[derive(Debug, Args)]
pub(crate) struct Token {
    /// Who: the user id.
    #[arg(long)]
    sub: UserId,
    /// A role; `admin` has every scope. May be given several times.
    #[arg(long = "role")]
    roles: Vec<String>,
    /// A scope, for example broadcast:write. May be given several times.
    #[arg(long = "scope")]
    scopes: Vec<String>,
    /// How long it is valid, in minutes, at most a day.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=1440))]
    minutes: u64,
    /// With the secret of the demo that runs in this folder; there `admin` has the role admin.
    #[arg(long)]
    demo: bool,
    /// The settings.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Token {
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        let secret = if self.demo {
            if self.sub.as_str() == ADMIN && self.roles.is_empty() {
                self.roles.push("admin".to_owned());
            }
            Demo::here(self.config.as_ref())?.secret().to_owned()
        } else {
            settings(self.config.as_ref())?.auth.hs256_secret.ok_or_else(|| {
                Failure::new(
                    "auth.hs256_secret is not set: put the server's secret into TIDINGS_AUTH__HS256_SECRET, or use --demo",
                )
            })?
        };
        let mint = Mint::hs256(secret.as_bytes(), Arc::new(SystemClock));
        let roles = (!self.roles.is_empty()).then_some(self.roles);
        let scope = (!self.scopes.is_empty()).then(|| self.scopes.join(" "));
        let life = Duration::from_mins(self.minutes);
        let token = mint.token(self.sub.as_str(), roles, scope, life).map_err(Failure::new)?;
        say(token)
    }
}
