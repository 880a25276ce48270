//! The judge says whether a history keeps the promise: nothing lost, nothing visibly twice, in order, and
//! nothing that is not one's own.
//!
//! | rule | holds if |
//! |---|---|
//! | R1 | every acknowledged message reached each device of each person it was for |
//! | R2 | no device shows a message twice |
//! | R3 | per key, the sender's sequence never goes down |
//! | R4 | nothing from nobody, nothing to strangers |
//! | R5 | what was refused is never delivered |
//! | R6 | one request has one server id, for ever |
//! | R7 | a status never goes back: not that of a message, not how far somebody came, not the counts of a group |
//! | R8 | one order for all: there is one sequence of deliveries that every device agrees with |
//! | R9 | where a run does not allow it: nothing is on the wire twice for a device |
//! | R10 | where a run does not allow it: no stream ends but by its device |
//! | R11 | while the broker is away a message is taken, while the database is away it is refused with a time to come back, each within ten seconds |
//! | R12 | half a minute after a part is back, a message has passed through everything |
//! | R13 | where the server numbers the messages of a key: what a device shows of them begins with 1 and has no hole |
//!
//! An unanswered send is a *maybe*: it may come or not, but not twice. Repeats on the wire are counted, not
//! punished. Broadcasts have no order between each other at acceptance: two of one sender may overtake each other
//! before they have a place. What is promised is R8 — and R3 for messages of which each was sent only after the
//! one before it was seen, and was one record for all whom it is for (selected people have one each); the driver
//! gives every other message a key of its own. What the server marks `late` is left out of both.
//!
//! A run that did not hurt proves nothing: it is *void* ([`Judgement::void`]).

mod order;
mod standing;
#[cfg(test)]
mod tests;
mod verdict;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt,
};

use self::standing::Stood;
use self::verdict::void;
pub use self::verdict::{Demands, Judgement, Numbers, Tally};
use crate::history::{Line, Part};

/// How long an answer may take while a part is away.
const ANSWER_MS: u64 = 10_000;
/// How long everything may take to go on by itself after a part is back.
const RECOVERY_MS: u64 = 30_000;

/// A rule of the judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Acknowledged and lost.
    R1,
    /// Visibly twice.
    R2,
    /// Out of order within a key.
    R3,
    /// From nobody, or to a stranger.
    R4,
    /// Refused and delivered.
    R5,
    /// One request, two ids.
    R6,
    /// A status went back.
    R7,
    /// Two devices saw two orders.
    R8,
    /// On the wire twice.
    R9,
    /// A stream was cut.
    R10,
    /// Not answered as promised while a part was away.
    R11,
    /// Not recovered in time.
    R12,
    /// A hole in what is numbered.
    R13,
}

/// A rule that was broken, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub rule: Rule,
    /// By which message, for whom.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.rule, self.what)
    }
}

/// Judges a history.
pub fn judge(lines: impl IntoIterator<Item = Line>, demands: &Demands) -> Judgement {
    let mut case = Case::default();
    for line in lines {
        case.hear(line);
    }
    case.decide(demands)
}

/// A person's device.
type Device = (String, String);

/// Something that a device showed.
struct Seen {
    message: String,
    key: String,
    n: u64,
    id: String,
    event: String,
    late: bool,
}

struct Tried {
    to: Vec<String>,
}

/// What the lines of a history said, gathered.
#[derive(Default)]
struct Case {
    tried: HashMap<String, Tried>,
    acknowledged: BTreeMap<String, String>,
    refused: HashSet<String>,
    views: BTreeMap<Device, Vec<Seen>>,
    wire: HashMap<Device, HashSet<String>>,
    repeats: Vec<String>,
    cuts: Vec<String>,
    opened: BTreeSet<Device>,
    ended: BTreeSet<Device>,
    gaps: HashSet<Device>,
    statuses: HashMap<(String, String), u8>,
    standings: Vec<Stood>,
    tally: Tally,
    violations: Vec<Violation>,
}

impl Case {
    fn broken(&mut self, rule: Rule, what: String) {
        self.violations.push(Violation { rule, what });
    }

    fn hear(&mut self, line: Line) {
        match line {
            Line::Try { m, to, .. } => {
                self.tried.insert(m, Tried { to });
            }
            Line::Ack { m, id } => match self.acknowledged.get(&m) {
                Some(first) if *first != id => {
                    let what = format!("{m} is {first} and {id}");
                    self.broken(Rule::R6, what);
                }
                Some(_same) => {}
                None => {
                    self.acknowledged.insert(m, id);
                }
            },
            Line::Nak { m } => {
                self.refused.insert(m);
            }
            Line::Recv { u, dev, event, wire: true, .. } => {
                let what = format!("{event} for {u} on {dev}");
                if !self.wire.entry((u, dev)).or_default().insert(event) {
                    self.tally.repeats += 1;
                    self.repeats.push(what);
                }
            }
            Line::Recv { u, dev, m, key, n, id, event, late, wire: false } => {
                let seen = Seen { message: m, key, n, id, event, late };
                self.views.entry((u, dev)).or_default().push(seen);
            }
            Line::Open { u, dev } => {
                self.opened.insert((u, dev));
            }
            Line::End { u, dev } => {
                self.ended.insert((u, dev));
            }
            Line::Gap { u, dev, .. } => {
                self.gaps.insert((u, dev));
            }
            Line::Reconnect { u, dev } => {
                self.tally.reconnects += 1;
                self.cuts.push(format!("the stream of {u} on {dev}"));
            }
            Line::Asked { part, status, retry_after, ms } => self.hear_answer(part, status, retry_after, ms),
            Line::Back { part, ms } => {
                self.tally.back += 1;
                self.tally.slowest_recovery = self.tally.slowest_recovery.max(ms);
                if ms > RECOVERY_MS {
                    self.broken(Rule::R12, format!("{ms} ms after the {part:?} was back"));
                }
            }
            Line::Fault { .. } => self.tally.faults += 1,
            Line::Status { m, s, at } => self.hear_status(&m, &s, at),
            Line::Standing { u, dev, id, by, read, counts } => {
                self.standings.push(Stood { device: (u, dev), id, by, read, counts });
            }
        }
    }

    fn hear_answer(&mut self, part: Part, status: Option<u16>, retry_after: bool, ms: u64) {
        self.tally.asked += 1;
        self.tally.slowest_answer = self.tally.slowest_answer.max(ms);
        let promised = match part {
            Part::Broker => status == Some(201),
            Part::Database => status == Some(503) && retry_after,
        };
        if !promised || ms > ANSWER_MS {
            self.broken(Rule::R11, format!("{status:?} after {ms} ms while the {part:?} was away"));
        }
    }

    fn hear_status(&mut self, message: &str, status: &str, at: String) {
        let rank = match status {
            "sent" => 0,
            "delivered" => 1,
            _read => 2,
        };
        let before = self.statuses.insert((message.to_owned(), at), rank);
        if before.is_some_and(|before| rank < before) {
            self.broken(Rule::R7, format!("{message} went back to {status}"));
        }
    }

    fn decide(mut self, demands: &Demands) -> Judgement {
        let mut views = std::mem::take(&mut self.views);
        self.name(&mut views);
        for (device, view) in &views {
            self.judge_view(device, view);
            if demands.numbers == Numbers::Servers {
                self.judge_numbers(device, view);
            }
        }
        let stood = std::mem::take(&mut self.standings);
        self.violations.extend(standing::went_back(&stood, &views));
        self.tally.standings = stood.len();
        self.judge_losses(&views, demands);
        if !demands.repeats_allowed {
            for what in std::mem::take(&mut self.repeats) {
                self.broken(Rule::R9, what);
            }
        }
        if !demands.cuts_allowed {
            for what in std::mem::take(&mut self.cuts) {
                self.broken(Rule::R10, what);
            }
        }
        if let Some(what) = order::contradiction(&views) {
            self.broken(Rule::R8, what);
        }
        self.tally.sent = self.tried.len();
        self.tally.acknowledged = self.acknowledged.len();
        self.tally.refused = self.refused.len();
        self.tally.visible = views.values().map(Vec::len).sum();
        self.tally.devices = self.opened.len();
        self.tally.gaps = self.gaps.len();
        let void = void(&self.tally, demands);
        Judgement { violations: self.violations, void, tally: self.tally }
    }

    /// Gives messages that devices know by the server's id alone the one that their sender calls them by.
    fn name(&self, views: &mut BTreeMap<Device, Vec<Seen>>) {
        let names: HashMap<&String, &String> = self.acknowledged.iter().map(|(m, id)| (id, m)).collect();
        for seen in views.values_mut().flatten() {
            if let Some(name) = names.get(&seen.message) {
                seen.message = (*name).clone();
            }
        }
    }

    /// R13, over what one device showed.
    fn judge_numbers(&mut self, (user, device): &Device, view: &[Seen]) {
        let mut numbers: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
        for seen in view.iter().filter(|seen| seen.n > 0) {
            numbers.entry(&seen.key).or_default().insert(seen.n);
        }
        for (key, numbers) in numbers {
            if let Some((hole, _)) = (1..).zip(&numbers).find(|(at, number)| at != *number) {
                self.broken(Rule::R13, format!("{key} has no {hole} for {user} on {device}"));
            }
        }
    }

    /// R2 to R6, over what one device showed.
    fn judge_view(&mut self, (user, device): &Device, view: &[Seen]) {
        let mut shown: HashSet<&str> = HashSet::new();
        let mut last: HashMap<&str, u64> = HashMap::new();
        for seen in view {
            let message = &seen.message;
            if !shown.insert(message) {
                self.broken(Rule::R2, format!("{message} twice for {user} on {device}"));
            }
            match self.tried.get(message) {
                None => self.broken(Rule::R4, format!("{message}, which nobody sent, for {user}")),
                Some(tried) if !tried.to.contains(user) => {
                    self.broken(Rule::R4, format!("{message} for {user}, a stranger to it"));
                }
                Some(_theirs) => {}
            }
            if self.refused.contains(message) {
                self.broken(Rule::R5, format!("{message} for {user}"));
            }
            if self.acknowledged.get(message).is_some_and(|id| *id != seen.id) {
                self.broken(Rule::R6, format!("{message} came as {} for {user}", seen.id));
            }
            if seen.late {
                continue;
            }
            if last.get(seen.key.as_str()).is_some_and(|last| seen.n < *last) {
                let what = format!("{message} of {} came after a later one for {user} on {device}", seen.key);
                self.broken(Rule::R3, what);
            }
            let newest = last.entry(&seen.key).or_default();
            *newest = seen.n.max(*newest);
        }
    }

    /// R1: everybody is demanded everything on every device that was opened before the first send.
    fn judge_losses(&mut self, views: &BTreeMap<Device, Vec<Seen>>, demands: &Demands) {
        let mut shown: HashMap<&Device, HashSet<&str>> = HashMap::new();
        let mut devices: HashMap<&str, BTreeSet<&Device>> = HashMap::new();
        for (device, view) in views {
            shown.insert(device, view.iter().map(|seen| seen.message.as_str()).collect());
            devices.entry(&device.0).or_default().insert(device);
        }
        for device in &self.opened {
            devices.entry(&device.0).or_default().insert(device);
        }
        let has = |device: &Device, message: &str| {
            shown.get(device).is_some_and(|shown| shown.contains(message))
                || (demands.gaps_allowed && self.gaps.contains(device))
        };
        let mut lost = Vec::new();
        for message in self.acknowledged.keys() {
            let Some(tried) = self.tried.get(message) else { continue };
            for user in &tried.to {
                let theirs = devices.get(user.as_str());
                if !theirs.is_some_and(|theirs| theirs.iter().any(|device| has(device, message))) {
                    lost.push(format!("{message} never reached {user}"));
                    continue;
                }
                for device in theirs.into_iter().flatten() {
                    if self.opened.contains(*device) && !has(device, message) {
                        lost.push(format!("{message} never reached {user} on {}", device.1));
                    }
                }
            }
        }
        for (user, device) in self.opened.difference(&self.ended) {
            lost.push(format!("{user} never saw the final marker on {device}"));
        }
        self.violations.extend(lost.into_iter().map(|what| Violation { rule: Rule::R1, what }));
        if !demands.gaps_allowed {
            let told = self.gaps.iter().map(|(user, device)| Violation {
                rule: Rule::R1,
                what: format!("{user} was told of a gap on {device}"),
            });
            self.violations.extend(told);
        }
    }
}
