//! The operators' routes: what runs, what lies in the log, and who got what. They are on the admin listener alone.

mod audit;
mod connections;
mod dead_letters;
mod faults;
mod find;
mod groups;
pub(crate) mod health;
mod journey;
mod keys;
pub(crate) mod metrics;
mod outbox;
mod purge;
mod redrive;
mod reset;
mod topics;

use std::sync::Arc;

use tidings::Account;
use tidings_delivery::Feed;
use tidings_log::Log;
use tidings_model::{Clock, Ids};
use tidings_store::Store;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::presence::Whereabouts;

/// What the operators' routes need.
#[derive(Clone)]
pub(crate) struct Operators {
    /// Deliveries, sessions, receipts.
    pub(crate) store: Store,
    /// The generations that places belong to.
    pub(crate) feed: Arc<Feed>,
    /// Who is connected.
    pub(crate) whereabouts: Whereabouts,
    /// Topics, records, groups.
    pub(crate) log: Arc<dyn Log>,
    /// What time it is.
    pub(crate) clock: Arc<dyn Clock>,
    /// Names entries of the audit.
    pub(crate) ids: Arc<Ids>,
    /// Names in the log of the topics that features write, in the order in which a message meets them.
    pub(crate) feature_topics: Arc<[String]>,
    /// What features say of their messages.
    pub(crate) accounts: Arc<[Arc<dyn Account>]>,
}

/// The routes; those that let handlers fail only where that is allowed.
pub(crate) fn operators(faults: bool) -> OpenApiRouter<Operators> {
    let testing = if faults {
        OpenApiRouter::new().routes(routes!(faults::list_faults, faults::plan_fault, faults::clear_faults))
    } else {
        OpenApiRouter::new()
    };
    testing
        .routes(routes!(topics::list_topics))
        .routes(routes!(topics::list_records))
        .routes(routes!(groups::list_groups))
        .routes(routes!(groups::get_group))
        .routes(routes!(groups::pause_group))
        .routes(routes!(groups::resume_group))
        .routes(routes!(reset::reset_group))
        .routes(routes!(connections::list_connections))
        .routes(routes!(connections::list_connected_people))
        .routes(routes!(dead_letters::list_dead_letters))
        .routes(routes!(dead_letters::get_dead_letter, purge::delete_dead_letter))
        .routes(routes!(redrive::redrive_dead_letter))
        .routes(routes!(redrive::redrive_dead_letters))
        .routes(routes!(purge::purge_dead_letters))
        .routes(routes!(audit::list_audit))
        .routes(routes!(keys::list_keys, keys::create_key))
        .routes(routes!(keys::revoke_key))
        .routes(routes!(journey::get_journey))
        .routes(routes!(outbox::get_outbox))
}
