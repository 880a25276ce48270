//! An announcement: a title and a text for everybody.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings::{
    api::FieldError,
    model::{NotificationId, Timestamp},
};

/// Title and content together, in bytes.
const SAID_BYTES: usize = 64 << 10;
/// How long an announcement is pending for who has not got it: 30 days.
pub(crate) const LIFE: Duration = Duration::from_hours(30 * 24);

/// What is announced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) title: String,
    pub(crate) content: String,
}

/// Why something cannot be announced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsayable {
    #[error("must say something")]
    Nothing(&'static str),
    #[error("title and content have {0} bytes together, at most {SAID_BYTES} are allowed")]
    Long(usize),
}

impl Unsayable {
    /// What a caller is told; none where the body as a whole is too large.
    pub(crate) fn field(&self) -> Option<FieldError> {
        match self {
            Self::Nothing(field) => {
                Some(FieldError { pointer: format!("/{field}"), detail: self.to_string() })
            }
            Self::Long(_) => None,
        }
    }
}

impl Said {
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), Unsayable> {
        let fields = [("title", &self.title), ("content", &self.content)];
        if let Some((field, _)) = fields.into_iter().find(|(_, text)| text.trim().is_empty()) {
            return Err(Unsayable::Nothing(field));
        }
        match self.title.len() + self.content.len() {
            long if long > SAID_BYTES => Err(Unsayable::Long(long)),
            _fits => Ok(()),
        }
    }
}

/// An announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Announcement {
    pub(crate) id: NotificationId,
    pub(crate) said: Said,
    pub(crate) created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_has_a_title_and_a_text_of_a_bounded_length() {
        let said = |title: &str, content: &str| Said { title: title.to_owned(), content: content.to_owned() };
        assert_eq!(said("Fire drill", "At noon.").check(), Ok(()));
        assert_eq!(said(" ", "At noon.").check(), Err(Unsayable::Nothing("title")));
        assert_eq!(said("Fire drill", "").check(), Err(Unsayable::Nothing("content")));
        assert_eq!(said("a", &"b".repeat(SAID_BYTES)).check(), Err(Unsayable::Long(SAID_BYTES + 1)));
    }
}
