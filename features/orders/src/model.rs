//! An order: who wants which coffee, and how far it is.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use tidings::{
    api::FieldError,
    log::Written,
    model::{OrderId, Timestamp, UserId},
};
use utoipa::ToSchema;

/// The longest name of a customer, and of a coffee, in bytes.
const TEXT_BYTES: usize = 256;

/// What is ordered: the value that the topic's document names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Ordered {
    pub(crate) customer_name: String,
    pub(crate) coffee_type: String,
}

/// Why something cannot be ordered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} must have 1 to {TEXT_BYTES} bytes that say something, without control characters")]
pub(crate) struct Unorderable {
    field: &'static str,
}

impl From<Unorderable> for FieldError {
    fn from(cause: Unorderable) -> Self {
        Self { pointer: format!("/{}", cause.field), detail: cause.to_string() }
    }
}

impl Ordered {
    /// All that is wrong with it.
    pub(crate) fn check(&self) -> Result<(), Vec<Unorderable>> {
        let fields = [("customer_name", &self.customer_name), ("coffee_type", &self.coffee_type)];
        let wrong = fields.into_iter().filter(|(_, text)| {
            text.trim().is_empty() || text.len() > TEXT_BYTES || text.chars().any(char::is_control)
        });
        let wrong: Vec<Unorderable> = wrong.map(|(field, _)| Unorderable { field }).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrderStatus)]
pub(crate) enum Status {
    /// The log has it.
    Accepted,
    /// A consumer did what is to be done with it.
    Processed,
}

impl Status {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Processed => "processed",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a status is `accepted` or `processed`")]
pub(crate) struct UnknownStatus;

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "accepted" => Ok(Self::Accepted),
            "processed" => Ok(Self::Processed),
            _other => Err(UnknownStatus),
        }
    }
}

/// An order that the log took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) user_id: Option<UserId>,
    pub(crate) ordered: Ordered,
    pub(crate) status: Status,
    pub(crate) place: Place,
    pub(crate) created_at: Timestamp,
}

/// Where an order's record lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) topic: String,
    pub(crate) partition: u32,
    pub(crate) offset: Option<u64>,
}

impl From<Written> for Place {
    fn from(written: Written) -> Self {
        let Written { topic, partition, offset, acks: _ } = written;
        Self { topic, partition, offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_that_says_nothing_is_named() {
        let ordered = |customer_name: &str, coffee_type: &str| Ordered {
            customer_name: customer_name.to_owned(),
            coffee_type: coffee_type.to_owned(),
        };
        assert_eq!(ordered("Ada", "Flat white").check(), Ok(()));
        let wrong = ordered(" ", "a\nb").check().unwrap_err();
        assert_eq!(
            wrong.iter().map(|wrong| wrong.field).collect::<Vec<_>>(),
            ["customer_name", "coffee_type"]
        );
        assert!(ordered(&"x".repeat(257), "Flat white").check().is_err());
    }
}
