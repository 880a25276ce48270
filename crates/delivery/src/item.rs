//! What a frame says that brings an item of the inbox, whichever feature it comes from.

use serde::Serialize;
use serde_json::Value;
use tidings_model::Timestamp;
use utoipa::ToSchema;

/// An item of the inbox.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemCreated<'a> {
    /// What receipts name.
    pub id: &'a str,
    /// `notification`, `announcement`, …
    pub kind: &'a str,
    /// Its heading.
    #[schema(required)]
    pub title: Option<&'a str>,
    /// What it says.
    #[schema(required)]
    pub content: Option<&'a str>,
    /// Anything that the application's own client wants to know.
    #[schema(value_type = Value)]
    pub data: Option<&'a Value>,
    /// Where a click leads.
    #[schema(required)]
    pub action_url: Option<&'a str>,
    /// When it was said.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}
