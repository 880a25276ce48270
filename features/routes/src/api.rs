//! The routes of messages, and the ways in.

mod create;
mod ingest;

use tidings::{Deps, OpenApiRouter, routes};

use crate::ingest::WayIn;

pub(crate) fn routes(deps: Deps, ways_in: Vec<WayIn>) -> OpenApiRouter {
    let ways = ways_in.into_iter().map(|way| ingest::routes(&deps, way));
    let ways = ways.fold(OpenApiRouter::new(), OpenApiRouter::merge);
    OpenApiRouter::new().routes(routes!(create::create_message)).with_state(deps).merge(ways)
}
