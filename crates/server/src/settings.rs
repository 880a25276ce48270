//! What features say of their settings, without a server.

use tidings_config::Config;
use tidings_routes::Route;

use crate::StartError;

/// Says what does not hold of the features' settings.
pub fn check(config: &Config) -> Result<(), StartError> {
    tidings_routes::check(&config.routes, &config.ingest)
        .map_err(|invalid| StartError::Setting(invalid.to_string()))
}

/// The routes that the settings name, for who tries them out.
pub fn routes_of(config: &Config) -> Result<Vec<Route>, StartError> {
    tidings_routes::routes(&config.routes).map_err(|invalid| StartError::Setting(invalid.to_string()))
}
