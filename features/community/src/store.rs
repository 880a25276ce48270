//! The community in the database.

pub(crate) mod counts;
pub(crate) mod follows;
pub(crate) mod people;
pub(crate) mod posts;
