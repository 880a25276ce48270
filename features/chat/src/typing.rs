//! Typing: who writes something right now. It is shown to the other members at most once in two seconds, and ends by
//! itself six seconds after the last word of it.
//!
//! [`Words`] holds back, in the process that takes the words, what nobody would be shown; [`Typists`] decides in each
//! gateway what is shown. Both are memories of their process, and bounded.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tidings::{
    Signal,
    delivery::SignalFrame,
    log::Produce,
    model::{ConversationId, Record, Timestamp, UserId, planted},
};
use utoipa::ToSchema;

use crate::{
    api::channel,
    spoken::{TYPING, TypingSaid},
};

/// Who types, by conversation.
pub(crate) const TOPIC: &str = "typing-events";

/// The shortest pause between two words that are shown.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a word holds.
const HOLDS: Duration = Duration::from_secs(6);
/// What is older when it is read is worth nothing.
const STALE: Duration = Duration::from_secs(10);
/// The most typists who are remembered.
const TYPISTS_MAX: usize = 50_000;

/// Somebody in a conversation.
pub(crate) type Typist = (ConversationId, UserId);

/// The value of a record of [`TOPIC`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TypingEvent {
    #[schema(value_type = String)]
    pub(crate) conversation_id: ConversationId,
    #[schema(value_type = String)]
    pub(crate) user_id: UserId,
    pub(crate) is_typing: bool,
    /// Milliseconds since 1970.
    pub(crate) timestamp: i64,
}

/// The record of a word.
pub(crate) fn record(word: &TypingEvent) -> Produce {
    Produce {
        topic: TOPIC.to_owned(),
        key: Some(word.conversation_id.to_string().into_bytes()),
        value: serde_json::to_vec(word).ok(),
        ..Produce::default()
    }
}

/// Whether two moments are nearer than a while; whichever of them is later, for clocks differ.
fn within(one: Timestamp, other: Timestamp, limit: Duration) -> bool {
    u128::from(one.millis().abs_diff(other.millis())) < limit.as_millis()
}

/// What was told of the members who type, by this process.
#[derive(Debug, Default)]
pub(crate) struct Words(Mutex<HashMap<Typist, Told>>);

#[derive(Clone, Copy, Debug)]
struct Told {
    // When they were last found to be a member.
    found: Timestamp,
    // When the others were last told that they type.
    typing: Option<Timestamp>,
    // Whether they were not told the end of it.
    open: bool,
}

impl Told {
    /// Whether a word says something that the others do not know.
    fn lets(&self, is_typing: bool, now: Timestamp) -> bool {
        if is_typing {
            self.typing.is_none_or(|last| !within(last, now, PAUSE))
        } else {
            self.open && self.typing.is_some_and(|last| within(last, now, HOLDS))
        }
    }
}

impl Words {
    fn told(&self) -> MutexGuard<'_, HashMap<Typist, Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody was a member a moment ago and nobody would be told a thing: no question is worth asking.
    pub(crate) fn is_idle(&self, who: &Typist, is_typing: bool, now: Timestamp) -> bool {
        let told = self.told();
        told.get(who).is_some_and(|told| within(told.found, now, PAUSE) && !told.lets(is_typing, now))
    }

    /// Takes the word of a member; whether the others are told.
    pub(crate) fn tells(&self, who: &Typist, is_typing: bool, now: Timestamp) -> bool {
        let mut all = self.told();
        if all.len() >= TYPISTS_MAX && !all.contains_key(who) {
            all.retain(|_who, told| within(told.found, now, HOLDS));
            if all.len() >= TYPISTS_MAX {
                all.clear();
            }
        }
        let told = all.entry(who.clone()).or_insert(Told { found: now, typing: None, open: false });
        told.found = now;
        let lets = told.lets(is_typing, now);
        if lets {
            told.open = is_typing;
            if is_typing {
                told.typing = Some(now);
            }
        }
        lets
    }
}

/// Who is shown as typing, by this gateway.
#[derive(Debug, Default)]
pub(crate) struct Typists(Mutex<HashMap<Typist, OnScreen>>);

#[derive(Clone, Copy, Debug)]
struct OnScreen {
    // When the others were last shown that they type.
    shown: Timestamp,
    // Their last word of it.
    heard: Timestamp,
    // Whether the end of it was not shown.
    open: bool,
}

impl Typists {
    fn shown(&self) -> MutexGuard<'_, HashMap<Typist, OnScreen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a word; whether it is shown.
    fn shows(&self, word: &TypingEvent, now: Timestamp) -> bool {
        let at = Timestamp(word.timestamp);
        if !within(at, now, STALE) {
            return false;
        }
        let mut all = self.shown();
        let (who, has_room) = ((word.conversation_id, word.user_id.clone()), all.len() < TYPISTS_MAX);
        match (all.get_mut(&who), word.is_typing) {
            (Some(shown), true) if within(shown.shown, at, PAUSE) => {
                shown.heard = at;
                false
            }
            (Some(shown), true) => {
                *shown = OnScreen { shown: at, heard: at, open: true };
                true
            }
            (Some(shown), false) => std::mem::replace(&mut shown.open, false),
            (None, true) if has_room => {
                all.insert(who, OnScreen { shown: at, heard: at, open: true });
                true
            }
            (None, _) => false,
        }
    }
}

impl Signal for Typists {
    fn topic(&self) -> &'static str {
        TOPIC
    }

    fn take(&self, record: &Record, now: Timestamp) -> Option<SignalFrame> {
        // What another program wrote that is no such word shows nothing.
        let word: TypingEvent = serde_json::from_slice(record.value.as_deref()?).ok()?;
        self.shows(&word, now).then(|| frame(&word))
    }

    fn pass(&self, now: Timestamp) -> Vec<SignalFrame> {
        let mut over = Vec::new();
        self.shown().retain(|(conversation_id, user_id), shown| {
            let ends = shown.open && !within(shown.heard, now, HOLDS);
            if ends {
                let (conversation_id, user_id) = (*conversation_id, user_id.clone());
                over.push(TypingEvent {
                    conversation_id,
                    user_id,
                    is_typing: false,
                    timestamp: now.millis(),
                });
            }
            !ends && (shown.open || within(shown.shown, now, PAUSE))
        });
        over.iter().map(frame).collect()
    }
}

/// What the other members are shown.
fn frame(word: &TypingEvent) -> SignalFrame {
    let time = Timestamp(word.timestamp);
    let said = TypingSaid {
        conversation_id: word.conversation_id,
        user_id: &word.user_id,
        is_typing: word.is_typing,
        timestamp: time,
    };
    let typist = (!planted::is("typist_is_shown")).then(|| word.user_id.clone());
    SignalFrame::new(vec![channel(word.conversation_id)], TYPING, time, &json!(said)).except(typist)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_700_000_000_000);

    fn after(millis: u64) -> Timestamp {
        START.plus(Duration::from_millis(millis))
    }

    fn who(number: u128) -> Typist {
        (format!("cnv_{number:026}").parse().unwrap(), "alice".parse().unwrap())
    }

    fn word(is_typing: bool, at: Timestamp) -> TypingEvent {
        let (conversation_id, user_id) = who(0);
        TypingEvent { conversation_id, user_id, is_typing, timestamp: at.millis() }
    }

    #[test]
    fn a_record_has_the_letter_of_its_topic() {
        let record = record(&word(true, START));
        let value: serde_json::Value = serde_json::from_slice(&record.value.unwrap()).unwrap();
        let wanted = json!({
            "conversationId": "cnv_00000000000000000000000000", "userId": "alice", "isTyping": true,
            "timestamp": 1_700_000_000_000_i64,
        });
        assert_eq!(value, wanted);
        assert_eq!(record.key.unwrap(), b"cnv_00000000000000000000000000");
    }

    #[test]
    fn the_others_are_told_once_in_two_seconds_and_the_end_at_once() {
        let (words, alice) = (Words::default(), who(0));
        let told = |is_typing, millis| words.tells(&alice, is_typing, after(millis));
        assert!(!told(false, 0), "nothing began");
        assert!(told(true, 0));
        assert!(!told(true, 1999));
        assert!(told(true, 2000));
        assert!(told(false, 2001));
        assert!(!told(false, 2002));
        assert!(!told(true, 3999), "it began two seconds ago");
        assert!(told(true, 4000));
        assert!(!told(false, 10_000), "it ended by itself");
        assert!(words.is_idle(&alice, false, after(10_001)));
        assert!(!words.is_idle(&alice, true, after(10_001)));
        assert!(
            !words.is_idle(&alice, false, after(12_000)),
            "whether they still are a member is asked again"
        );
        assert!(!words.is_idle(&who(1), true, START));
    }

    #[test]
    fn what_holds_back_is_bounded() {
        let words = Words::default();
        for number in 0..TYPISTS_MAX as u128 + 10 {
            assert!(words.tells(&who(number), true, START));
        }
        assert!(words.told().len() <= TYPISTS_MAX);
    }

    #[test]
    fn a_gateway_shows_a_word_once_in_two_seconds_and_its_end_once() {
        let typists = Typists::default();
        let shows = |is_typing, millis| typists.shows(&word(is_typing, after(millis)), after(millis));
        assert!(!shows(false, 0), "nobody was shown as typing");
        assert!(shows(true, 0));
        assert!(!shows(true, 1500), "of another process, or another program");
        assert!(typists.pass(after(7499)).is_empty());
        assert_eq!(typists.pass(after(7500)).len(), 1, "six seconds after the last word");
        assert!(typists.pass(after(7501)).is_empty());
        assert!(shows(true, 8000));
        assert!(shows(false, 8100));
        assert!(!shows(false, 8200));
        assert!(!shows(true, 9999));
        assert!(typists.pass(after(10_000)).is_empty());
        assert!(typists.shown().is_empty(), "who stopped is forgotten");
        assert!(shows(true, 10_000));
    }

    #[test]
    fn stale_words_and_other_things_show_nothing() {
        let typists = Typists::default();
        let take = |value: &[u8]| {
            let value = Some(value.to_vec());
            let record = Record {
                topic: TOPIC.to_owned(),
                partition: 0,
                offset: 0,
                time: START,
                key: None,
                headers: Vec::new(),
                value,
            };
            typists.take(&record, after(10_000)).is_some()
        };
        let value = |at| serde_json::to_vec(&word(true, at)).unwrap();
        assert!(!take(&value(START)));
        assert!(!take(&value(after(20_000))), "nor does what comes from a clock that is ahead");
        for other in [&b"no json"[..], b"{}", b""] {
            assert!(!take(other));
        }
        assert!(take(&value(after(1))));
    }

    #[test]
    fn who_is_shown_is_bounded() {
        let typists = Typists::default();
        for number in 0..TYPISTS_MAX as u128 + 10 {
            let (conversation_id, user_id) = who(number);
            typists.shows(
                &TypingEvent { conversation_id, user_id, is_typing: true, timestamp: START.millis() },
                START,
            );
        }
        assert_eq!(typists.shown().len(), TYPISTS_MAX);
        assert_eq!(typists.pass(after(6000)).len(), TYPISTS_MAX);
        assert!(typists.shown().is_empty());
    }
}
