//! `tidings token`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use tidings_api::Mint;
use tidings_model::{SystemClock, UserId};

use super::serve::settings;
use crate::failure::Failure;

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
    /// The settings.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Token {
    #[expect(clippy::print_stdout, reason = "the token is the command's answer")]
    pub(crate) fn run(self) -> Result<(), Failure> {
        let config = settings(self.config.as_ref())?;
        let secret = config.auth.hs256_secret.ok_or_else(|| {
            Failure::new(
                "auth.hs256_secret is not set: put the server's secret into TIDINGS_AUTH__HS256_SECRET",
            )
        })?;
        let mint = Mint::hs256(secret.as_bytes(), Arc::new(SystemClock));
        let roles = (!self.roles.is_empty()).then_some(self.roles);
        let scope = (!self.scopes.is_empty()).then(|| self.scopes.join(" "));
        let token = mint
            .token(self.sub.as_str(), roles, scope, Duration::from_secs(self.minutes * 60))
            .map_err(Failure::new)?;
        println!("{token}");
        Ok(())
    }
}
