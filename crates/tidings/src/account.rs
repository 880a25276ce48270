//! Accounts: what a feature can say of a message of its own when somebody asks why a person has it or not.

use std::{future::Future, pin::Pin};

use tidings_delivery::why::Told;
use tidings_model::UserId;
use tidings_store::{StoreError, Tx};

/// What is known of a message; none of a message that is not the feature's.
pub type Telling<'a> = Pin<Box<dyn Future<Output = Result<Option<Told>, StoreError>> + Send + 'a>>;

/// Says of messages what no delivery record tells: whom they are for before they are delivered, whether they lie in a
/// dead letter, whether anything of them is kept.
pub trait Account: Send + Sync {
    /// What there is to say of a message and a person; the transaction only reads.
    fn of<'a>(&'a self, tx: &'a Tx, message: &'a str, user: &'a UserId) -> Telling<'a>;
}
