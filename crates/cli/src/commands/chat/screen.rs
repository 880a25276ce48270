//! What a conversation looks like in a terminal: each message once, in order, and what becomes of one's own.

use std::collections::VecDeque;

use tidings_model::{MessageId, Timestamp, UserId};

use super::{Message, Partner, Standing, Status, Told};
use crate::terminal::{Paint, harmless};

/// Messages of one's own whose state is followed.
const OWN: usize = 1000;
/// Statuses that wait for their message.
const HELD: usize = 100;

/// What was shown so far.
pub(super) struct Screen {
    paint: Paint,
    me: UserId,
    partner: Option<Partner>,
    /// How the messages begin that are typed here, where a terminal has shown their text already.
    typed: Option<String>,
    /// The number of the last message that was shown.
    seq: u64,
    own: VecDeque<Own>,
    held: VecDeque<Told>,
    /// The newest message of somebody else.
    heard: Option<MessageId>,
    day: String,
}

/// A message of one's own.
struct Own {
    id: MessageId,
    seq: u64,
    standing: Standing,
}

impl Screen {
    pub(super) fn new(paint: Paint, me: UserId, partner: Option<Partner>, typed: Option<String>) -> Self {
        let (own, held) = (VecDeque::new(), VecDeque::new());
        Self { paint, me, partner, typed, seq: 0, own, held, heard: None, day: String::new() }
    }

    /// The number of the last message that was shown.
    pub(super) const fn seq(&self) -> u64 {
        self.seq
    }

    /// Whether a person types in a terminal.
    pub(super) const fn is_typed(&self) -> bool {
        self.typed.is_some()
    }

    /// The newest message of somebody else that was shown, once.
    pub(super) const fn heard(&mut self) -> Option<MessageId> {
        self.heard.take()
    }

    /// Shows a message, unless it was shown; a history may know more of one that was.
    pub(super) fn message(&mut self, message: &Message) -> Vec<String> {
        let Message { id, seq, sender_id, content, client_id, created_at, standing, .. } = message;
        let own = *sender_id == self.me;
        if *seq <= self.seq {
            return standing.map_or_else(Vec::new, |standing| {
                let found = self.own.iter().position(|one| one.id == *id);
                found.map_or_else(Vec::new, |at| self.moved(at, standing, *created_at))
            });
        }
        self.seq = *seq;
        if !own {
            self.heard = Some(*id);
        }
        let mut lines = Vec::new();
        let time = self.time(*created_at, &mut lines);
        let standing = standing.unwrap_or(Standing { status: Status::Sent, delivered: 0, read: 0, of: 0 });
        let state = if own { format!("  {}", self.paint.faint(state(standing))) } else { String::new() };
        let typed = client_id.as_deref().zip(self.typed.as_deref());
        let text = if own && typed.is_some_and(|(name, typed)| name.starts_with(typed)) {
            state
        } else {
            format!("  {}: {}{state}", self.name(sender_id), harmless(content))
        };
        lines.push(format!("{time}  {}{text}", self.paint.faint(format!("#{seq}"))));
        if own {
            self.own.push_back(Own { id: *id, seq: *seq, standing });
            if self.own.len() > OWN {
                self.own.pop_front();
            }
        }
        let held = std::mem::take(&mut self.held);
        lines.extend(held.iter().flat_map(|told| self.status(told)).collect::<Vec<_>>());
        lines
    }

    /// Shows what became of one's own messages; held where the message is not there yet.
    pub(super) fn status(&mut self, told: &Told) -> Vec<String> {
        let up_to = told.up_to.unwrap_or(told.message_id);
        let Some(at) = self.own.iter().position(|one| one.id == up_to) else {
            self.held.push_back(told.clone());
            if self.held.len() > HELD {
                self.held.pop_front();
            }
            return Vec::new();
        };
        let of = told.of.unwrap_or(1);
        let delivered = told.delivered.unwrap_or(u64::from(told.status >= Status::Delivered));
        let read = told.read.unwrap_or(u64::from(told.status >= Status::Read));
        let status = match (delivered, read) {
            (_, all) if all >= of => Status::Read,
            (all, _) if all >= of => Status::Delivered,
            _some => Status::Sent,
        };
        self.moved(at, Standing { status, delivered, read, of }, told.timestamp)
    }

    /// A message of one's own moves forward, and what was said before it as far as all of them have come.
    fn moved(&mut self, at: usize, now: Standing, when: Timestamp) -> Vec<String> {
        let mut first = None;
        for one in self.own.iter_mut().take(at + 1).filter(|one| one.standing.status < now.status) {
            one.standing.status = now.status;
            first.get_or_insert(one.seq);
        }
        let Some(own) = self.own.get_mut(at) else { return Vec::new() };
        let counted = now.of > 1 && (now.delivered > own.standing.delivered || now.read > own.standing.read);
        if first.is_none() && !counted {
            return Vec::new();
        }
        let last = own.seq;
        let (delivered, read) = (own.standing.delivered.max(now.delivered), own.standing.read.max(now.read));
        own.standing = Standing { delivered, read, of: now.of, ..own.standing };
        let which = match first {
            Some(first) if first < last => format!("#{first}–#{last}"),
            _itself => format!("#{last}"),
        };
        let what = state(own.standing);
        let mut lines = Vec::new();
        let time = self.time(when, &mut lines);
        lines.push(format!("{time}  {}", self.paint.faint(format!("{which}  {what}"))));
        lines
    }

    fn name(&self, user: &UserId) -> String {
        if *user == self.me {
            return self.paint.bold(harmless(user.as_str()));
        }
        let known = self.partner.as_ref().filter(|partner| partner.user_id == *user);
        let name = known.map_or(user.as_str(), |partner| partner.display_name.as_str());
        self.paint.name(harmless(name))
    }

    /// The time of day; a line before it where another day began.
    fn time(&mut self, at: Timestamp, lines: &mut Vec<String>) -> String {
        let text = at.to_string();
        let (day, time) = text.split_once('T').unwrap_or(("", text.as_str()));
        if self.day != day {
            day.clone_into(&mut self.day);
            lines.push(self.paint.faint(format!("-- {day} --")));
        }
        self.paint.faint(time.get(..8).unwrap_or(time))
    }
}

/// How a message stands, in words.
fn state(Standing { status, delivered, read, of }: Standing) -> String {
    match (status, of) {
        (Status::Read, 0 | 1) => "read".to_owned(),
        (Status::Delivered, 0 | 1) => "delivered".to_owned(),
        (Status::Read, _) => format!("read by all {of}"),
        (_, 0 | 1) => "sent".to_owned(),
        (Status::Sent, _) if delivered == 0 => "sent".to_owned(),
        (Status::Sent | Status::Delivered, _) => format!("delivered to {delivered} of {of}, read by {read}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id(number: u64) -> String {
        MessageId::from(u128::from(number)).to_string()
    }

    fn message(seq: u64, sender: &str, content: &str) -> Message {
        serde_json::from_value(json!({
            "message_id": id(seq), "conversation_id": "cnv_00000000000000000000000001", "seq": seq,
            "sender_id": sender, "content": content, "client_id": format!("cli-{seq}"),
            "created_at": "2026-01-31T09:30:00.000Z",
        }))
        .unwrap()
    }

    fn told(seq: u64, status: &str, counts: Option<(u64, u64, u64)>) -> Told {
        let mut told = json!({
            "message_id": id(seq), "conversation_id": "cnv_00000000000000000000000001", "status": status,
            "user_id": "bob", "timestamp": "2026-01-31T09:31:00.000Z", "up_to": id(seq),
        });
        if let Some((delivered, read, of)) = counts {
            told["delivered"] = delivered.into();
            told["read"] = read.into();
            told["of"] = of.into();
        }
        serde_json::from_value(told).unwrap()
    }

    fn screen(typed: Option<&str>) -> Screen {
        let partner = Partner { user_id: "bob".parse().unwrap(), display_name: "Bob".to_owned() };
        let typed = typed.map(str::to_owned);
        Screen::new(Paint::plain(), "alice".parse().unwrap(), Some(partner), typed)
    }

    #[test]
    fn each_message_is_shown_once_and_acts_on_no_terminal() {
        let mut screen = screen(None);
        let lines = screen.message(&message(1, "bob", "Cof\u{1b}[2Jfee?"));
        assert_eq!(lines, ["-- 2026-01-31 --", "09:30:00  #1  Bob: Cof\\u{1b}[2Jfee?"]);
        assert_eq!(screen.message(&message(1, "bob", "Coffee?")), [""; 0]);
        assert_eq!(screen.message(&message(2, "alice", "Yes!")), ["09:30:00  #2  alice: Yes!  sent"]);
        assert_eq!(screen.heard().map(|id| id.to_string()), Some(id(1)));
        assert_eq!(screen.heard(), None);
    }

    #[test]
    fn what_was_typed_in_a_terminal_stands_there_already() {
        let mut screen = screen(Some("cli-"));
        screen.message(&message(1, "bob", "Coffee?"));
        assert_eq!(screen.message(&message(2, "alice", "Yes!")), ["09:30:00  #2  sent"]);
    }

    #[test]
    fn a_state_holds_for_what_was_said_before_and_only_goes_forward() {
        let mut screen = screen(None);
        for seq in 1..=3 {
            screen.message(&message(seq, "alice", "x"));
        }
        assert_eq!(screen.status(&told(2, "READ", None)), ["09:31:00  #1–#2  read"]);
        assert_eq!(screen.status(&told(2, "DELIVERED", None)), [""; 0]);
        assert_eq!(screen.status(&told(3, "DELIVERED", None)), ["09:31:00  #3  delivered"]);
        assert_eq!(screen.status(&told(3, "READ", None)), ["09:31:00  #3  read"]);
    }

    #[test]
    fn a_status_that_comes_before_its_message_is_held_and_not_without_end() {
        let mut screen = screen(None);
        assert_eq!(screen.status(&told(1, "READ", None)), [""; 0]);
        let lines = screen.message(&message(1, "alice", "x"));
        assert_eq!(lines[1..], ["09:30:00  #1  alice: x  sent", "09:31:00  #1  read"]);
        for seq in 10..1000 {
            screen.status(&told(seq, "READ", None));
        }
        assert_eq!(screen.held.len(), HELD);
    }

    #[test]
    fn a_group_is_counted() {
        let mut screen = screen(None);
        screen.message(&message(1, "alice", "x"));
        let lines = screen.status(&told(1, "READ", Some((2, 1, 3))));
        assert_eq!(lines, ["09:31:00  #1  delivered to 2 of 3, read by 1"]);
        assert_eq!(screen.status(&told(1, "READ", Some((2, 1, 3)))), [""; 0]);
        let lines = screen.status(&told(1, "READ", Some((3, 3, 3))));
        assert_eq!(lines, ["09:31:00  #1  read by all 3"]);
    }
}
