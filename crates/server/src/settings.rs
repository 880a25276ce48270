//! What features say of their settings, without a server.

use std::sync::Arc;

use tidings::proof::Signer;
use tidings_config::Config;
use tidings_routes::Route;

use crate::StartError;

/// Says what does not hold of the features' settings.
pub fn check(config: &Config) -> Result<(), StartError> {
    tidings_routes::check(&config.routes, &config.ingest)?;
    tidings_webhook::check(&config.webhook)?;
    signer(config).map(drop)
}

/// Signs proofs, if the settings name a key.
pub(crate) fn signer(config: &Config) -> Result<Option<Arc<Signer>>, StartError> {
    let read = config.proof.signing_key.as_deref().map(Signer::from_pem).transpose();
    read.map(|signer| signer.map(Arc::new))
        .map_err(|invalid| StartError::Setting(format!("proof.signing_key {invalid}")))
}

/// The routes that the settings name, for who tries them out.
pub fn routes_of(config: &Config) -> Result<Vec<Route>, StartError> {
    Ok(tidings_routes::routes(&config.routes)?)
}

impl From<tidings_routes::InvalidSetting> for StartError {
    fn from(invalid: tidings_routes::InvalidSetting) -> Self {
        Self::Setting(invalid.to_string())
    }
}

impl From<tidings_webhook::InvalidSetting> for StartError {
    fn from(invalid: tidings_webhook::InvalidSetting) -> Self {
        Self::Setting(invalid.to_string())
    }
}
