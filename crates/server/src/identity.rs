//! Where the keys of tokens come from, as the settings say.

use std::sync::Arc;

use tidings_api::{Identity, KeySource, Mint, TokenRules, service_keys::ServiceKeys};
use tidings_config::AuthConfig;
use tidings_model::Clock;
use tidings_store::Store;

use crate::{StartError, standings::DirectoryStandings};

/// Reads the keys; the settings name one source of them.
pub(crate) async fn open(
    auth: &AuthConfig,
    store: &Store,
    clock: &Arc<dyn Clock>,
) -> Result<Identity, StartError> {
    let standings = Arc::new(DirectoryStandings::new(store.clone(), Arc::clone(clock)));
    let service_keys = ServiceKeys::new(store.clone(), Arc::clone(clock));
    Identity::new(source(auth)?, &rules(auth), standings, service_keys, Arc::clone(clock))
        .await
        .map_err(StartError::Setting)
}

/// Makes tokens that hold here, where the secret is known that they are signed with.
pub(crate) fn mint(auth: &AuthConfig, clock: &Arc<dyn Clock>) -> Option<Mint> {
    let secret = auth.hs256_secret.as_ref()?;
    Some(Mint::hs256(secret.as_bytes(), Arc::clone(clock)).for_rules(&rules(auth)))
}

fn rules(auth: &AuthConfig) -> TokenRules {
    TokenRules {
        issuer: auth.issuer.clone(),
        audience: auth.audience.clone(),
        trust_claims: auth.trust_claims,
    }
}

/// The one source that is set.
fn source(auth: &AuthConfig) -> Result<KeySource, StartError> {
    let secret = auth.hs256_secret.as_ref().map(|secret| KeySource::Secret(secret.as_bytes().to_vec()));
    let pem = auth.public_key_file.as_ref().map(|path| KeySource::PemFile(path.into()));
    let file = auth.jwks_file.as_ref().map(|path| KeySource::SetFile(path.into()));
    let url = auth.jwks_url.clone().map(KeySource::SetUrl);
    secret.or(pem).or(file).or(url).ok_or_else(|| {
        StartError::Setting(
            "no key verifies tokens: put a secret of at least 32 bytes into TIDINGS_AUTH__HS256_SECRET, set auth.public_key_file, auth.jwks_file or auth.jwks_url, or start with --demo"
                .to_owned(),
        )
    })
}
