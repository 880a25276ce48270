//! What the community is made of: people who have names, and what is said to all of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings::{
    api::FieldError,
    delivery::change::Wish,
    model::{Channel, NotificationId, PostId, Timestamp, UserId},
};

/// Somebody, as the community knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) user_id: UserId,
    pub(crate) display_name: String,
    pub(crate) status: Status,
    pub(crate) counts: Counts,
    pub(crate) created_at: Timestamp,
}

/// What somebody adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Counts {
    /// Who follow them.
    pub(crate) followers: u64,
    /// Whom they follow.
    pub(crate) following: u64,
    /// What they posted and did not remove.
    pub(crate) posts: u64,
}

/// Somebody follows somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Follow {
    pub(crate) follower: UserId,
    pub(crate) followee: UserId,
}

impl Follow {
    /// Which nobody can do.
    pub(crate) fn is_of_oneself(&self) -> bool {
        self.follower == self.followee
    }

    /// The follower gets what the author says. It is wished also by who follows already: they may have been out of the
    /// directory since.
    pub(crate) fn joins(&self) -> Wish {
        Wish { join: Some(Channel::Author(self.followee.clone())), ..Wish::of(self.follower.clone()) }
    }

    /// The follower gets it no more.
    pub(crate) fn leaves(&self) -> Wish {
        Wish { leave: Some(Channel::Author(self.followee.clone())), ..Wish::of(self.follower.clone()) }
    }
}

/// What somebody posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Post {
    pub(crate) id: PostId,
    pub(crate) author_id: UserId,
    pub(crate) said: Said,
    pub(crate) created_at: Timestamp,
}

/// How far somebody's sign-up is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ProfileStatus)]
pub(crate) enum Status {
    /// The account is there; its sign-up is on its way through the log.
    Pending,
    /// The profile is made.
    Active,
}

/// The user id that a user name stands for, or what is wrong with the name.
pub(crate) fn user_name(name: &str) -> Result<UserId, &'static str> {
    let wrong = "a user name has 1 to 64 bytes, no control characters and no space at its ends";
    if name.len() > NAME_BYTES || name.trim() != name {
        return Err(wrong);
    }
    name.parse().map_err(|_limits| wrong)
}

/// What is wrong with the name that somebody is to be shown by.
pub(crate) fn check_shown(name: &str) -> Option<&'static str> {
    let shown = !name.trim().is_empty() && name.len() <= SHOWN_BYTES && !name.contains(char::is_control);
    (!shown).then_some("a display name has 1 to 128 bytes and no control characters")
}

/// The longest user name, in bytes.
const NAME_BYTES: usize = 64;
/// The longest name that somebody is shown by, in bytes.
const SHOWN_BYTES: usize = 128;
/// Title and content together, in bytes.
const SAID_BYTES: usize = 64 << 10;
/// What an event of a post has of its content, in characters.
const EXCERPT_CHARACTERS: usize = 280;
/// How long what is said is pending for who has not got it: 30 days.
pub(crate) const LIFE: Duration = Duration::from_hours(30 * 24);

/// What is announced or posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Said {
    pub(crate) title: String,
    pub(crate) content: String,
}

/// Why something cannot be said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsayable {
    #[error("must say something")]
    Nothing(&'static str),
    #[error("title and content have {0} bytes together, at most {SAID_BYTES} are allowed")]
    Long(usize),
    #[error("the character U+0000 is not allowed")]
    Null,
}

impl Unsayable {
    /// What a caller is told; none where the body as a whole is what is wrong.
    pub(crate) fn field(&self) -> Option<FieldError> {
        match self {
            Self::Nothing(field) => {
                Some(FieldError { pointer: format!("/{field}"), detail: self.to_string() })
            }
            Self::Long(_) | Self::Null => None,
        }
    }
}

impl Said {
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), Unsayable> {
        self.check_heading()?;
        if self.content.trim().is_empty() { Err(Unsayable::Nothing("content")) } else { Ok(()) }
    }

    /// What is wrong with it, where a title is enough.
    pub(crate) fn check_heading(&self) -> Result<(), Unsayable> {
        if self.title.trim().is_empty() {
            return Err(Unsayable::Nothing("title"));
        }
        // Bodies of requests have none; records of other programs may.
        if self.title.contains('\0') || self.content.contains('\0') {
            return Err(Unsayable::Null);
        }
        match self.title.len() + self.content.len() {
            long if long > SAID_BYTES => Err(Unsayable::Long(long)),
            _fits => Ok(()),
        }
    }

    /// The beginning of the content.
    pub(crate) fn excerpt(&self) -> String {
        let mut rest = self.content.chars();
        let mut excerpt: String = rest.by_ref().take(EXCERPT_CHARACTERS).collect();
        if rest.next().is_some() {
            excerpt.push('…');
        }
        excerpt
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
    fn a_name_has_a_length_and_nothing_that_cannot_be_seen() {
        assert_eq!(user_name("ada").map(|id| id.to_string()), Ok("ada".to_owned()));
        for wrong in ["", " ada", "ada ", "a\u{7}da", &"x".repeat(65)] {
            assert!(user_name(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(check_shown("Ada Lovelace"), None);
        for wrong in ["", "  ", "a\nb", &"x".repeat(129)] {
            assert!(check_shown(wrong).is_some(), "{wrong:?}");
        }
    }

    #[test]
    fn an_announcement_has_a_title_and_a_text_of_a_bounded_length() {
        let said = |title: &str, content: &str| Said { title: title.to_owned(), content: content.to_owned() };
        assert_eq!(said("Fire drill", "At noon.").check(), Ok(()));
        assert_eq!(said(" ", "At noon.").check(), Err(Unsayable::Nothing("title")));
        assert_eq!(said("Fire drill", "").check(), Err(Unsayable::Nothing("content")));
        assert_eq!(said("a", &"b".repeat(SAID_BYTES)).check(), Err(Unsayable::Long(SAID_BYTES + 1)));
        assert_eq!(said("a\0", "b").check_heading(), Err(Unsayable::Null));
        assert_eq!(said("a", "").check_heading(), Ok(()));
    }

    #[test]
    fn an_excerpt_is_cut_between_characters() {
        let of = |content: String| Said { title: "a".to_owned(), content }.excerpt();
        assert_eq!(of("é".repeat(280)), "é".repeat(280));
        assert_eq!(of("é".repeat(281)), "é".repeat(280) + "…");
    }
}
