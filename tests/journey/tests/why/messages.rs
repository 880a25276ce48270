//! Messages of the comparison: to whom, and what becomes of them.

use std::collections::BTreeSet;

use fastrand::Rng;
use serde_json::{Value, json};

use super::people::Somebody;

/// Whom a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum To {
    Everybody,
    GroupA,
    GroupAButNotNight,
    These(BTreeSet<String>),
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Lasts,
    IsCancelled,
    Expires,
    IsDeadLettered,
    IsForgotten,
}

/// A message.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// None before it is said.
    pub(super) id: String,
    pub(super) phase: u8,
    pub(super) to: To,
    pub(super) fate: Fate,
    pub(super) is_news: bool,
    pub(super) urgent: bool,
    pub(super) late_joiners: bool,
}

/// Fates in the order in which they are said: what expires comes last, for its time is short.
const FATES: [Fate; 5] =
    [Fate::IsForgotten, Fate::IsDeadLettered, Fate::Lasts, Fate::IsCancelled, Fate::Expires];

impl Message {
    /// The messages of a phase: one in two lasts.
    pub(super) fn many(phase: u8, messages: usize, people: &[Somebody], random: &mut Rng) -> Vec<Self> {
        let mut many: Vec<Self> = (0..messages)
            .map(|at| {
                let fate = FATES.get(at % 8).copied().unwrap_or(Fate::Lasts);
                Self::one(phase, fate, people, random)
            })
            .collect();
        many.sort_by_key(|message| FATES.iter().position(|fate| *fate == message.fate));
        many
    }

    fn one(phase: u8, fate: Fate, people: &[Somebody], random: &mut Rng) -> Self {
        // Who is fired at one by one is no audience that anybody listens to.
        let kinds = if fate == Fate::IsForgotten { 3 } else { 4 };
        let to = match random.u8(..kinds) {
            0 => To::Everybody,
            1 => To::GroupA,
            2 => To::GroupAButNotNight,
            _named => {
                let some = people.iter().filter(|_| random.bool()).map(|somebody| somebody.id.clone());
                To::These(some.chain(["witness".to_owned()]).collect())
            }
        };
        Self {
            id: String::new(),
            phase,
            to,
            fate,
            is_news: random.bool(),
            urgent: random.u8(..4) == 0,
            late_joiners: random.u8(..4) != 0,
        }
    }

    /// The message that ends a phase, which everybody gets.
    pub(super) fn last_of(phase: u8) -> Self {
        Self {
            id: String::new(),
            phase,
            to: To::Everybody,
            fate: Fate::Lasts,
            is_news: false,
            urgent: true,
            late_joiners: true,
        }
    }

    /// The request that says it.
    pub(super) fn request(&self, expires_at: Option<String>) -> Value {
        let target = match &self.to {
            To::Everybody => json!({ "type": "all" }),
            To::GroupA => json!({ "type": "group", "ids": ["a"] }),
            To::GroupAButNotNight => json!({ "any": ["group:a"], "none": ["group:night"] }),
            To::These(ids) => json!({ "type": "selected", "ids": ids }),
        };
        let mut request = json!({
            "content": "What is this about?",
            "target": target,
            "priority": if self.urgent { "urgent" } else { "normal" },
            "late_joiners": self.late_joiners,
            "fire_and_forget": self.fate == Fate::IsForgotten,
        });
        if self.is_news {
            request["category"] = json!("news");
        }
        if self.fate == Fate::IsDeadLettered {
            request["simulate_failure"] = json!("permanent");
        }
        if let Some(expires_at) = expires_at {
            request["expires_at"] = json!(expires_at);
        }
        request
    }
}
