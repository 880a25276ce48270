//! Messages of any kind to any channel: said by a caller, or brought from a topic by a route.
//!
//! `POST /messages` says one; `[[routes]]` shows the records of a topic; `[[ingest]]` is the way from HTTP to a topic.
//! There is no `store.rs`, and there are no migrations: what is said lies in the log until it is a delivery, and what is
//! to be shown lies in the settings. There is no `schedule.rs`: the verdict knows when a message is over. There is no
//! `channels.rs`: messages use the channels everybody has.

mod api;
mod config;
mod envelope;
mod events;
mod handler;
mod ingest;
mod model;
mod route;
mod spoken;
mod template;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tidings::{
    Deps, Feature,
    config::{IngestSettings, RouteSettings},
    consumer::Handler,
    log::{Durability, TopicSpec},
};

pub use config::InvalidSetting;
pub use route::{Route, Shown, Unroutable};

const WEEK: Duration = Duration::from_hours(7 * 24);

/// What routes, messages and the ways in add to the server. `shows` are the routes of other features.
pub fn feature(
    deps: &Deps,
    routes: &[RouteSettings],
    shows: &[RouteSettings],
    ingest: &[IngestSettings],
) -> Result<Feature, InvalidSetting> {
    let routes = config::routes(routes, shows)?;
    let ways_in = config::ways_in(ingest)?;
    let topic = |name: String, partitions, key| TopicSpec {
        name: name.into(),
        partitions,
        retention: WEEK,
        key,
        durability: Durability::Durable,
    };
    let named: BTreeSet<&str> =
        routes.iter().map(Route::topic).chain(ways_in.iter().map(|way| way.topic.as_str())).collect();
    let mut topics = vec![topic(events::MESSAGES_TOPIC.to_owned(), 10, "first channel")];
    let (frames, records) = (spoken::frames(&routes), spoken::records(named.iter().copied()));
    topics.extend(named.into_iter().map(|name| topic(name.to_owned(), 3, "as its writers say")));
    let mut handlers: Vec<Arc<dyn Handler>> =
        vec![Arc::new(handler::Messages { clock: Arc::clone(&deps.clock) })];
    for route in routes {
        handlers.push(Arc::new(handler::Routed { route, clock: Arc::clone(&deps.clock) }));
    }
    Ok(Feature {
        name: "routes",
        routes: api::routes(deps.clone(), ways_in),
        topics,
        handlers,
        shows: Vec::new(),
        commands: Vec::new(),
        signals: Vec::new(),
        watchers: Vec::new(),
        schedules: Vec::new(),
        accounts: Vec::new(),
        witnesses: Vec::new(),
        frames,
        records,
    })
}

/// Says what does not hold of the settings, without a server.
pub fn check(routes: &[RouteSettings], ingest: &[IngestSettings]) -> Result<(), InvalidSetting> {
    config::routes(routes, &[])?;
    config::ways_in(ingest)?;
    Ok(())
}

/// The routes that the settings name, for who tries them out.
pub fn routes(settings: &[RouteSettings]) -> Result<Vec<Route>, InvalidSetting> {
    config::routes(settings, &[])
}
