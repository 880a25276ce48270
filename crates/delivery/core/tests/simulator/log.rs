//! The delivery log, and the relays that fill it: two of them, with a lease, doubts, pauses and late writes.

use std::{collections::VecDeque, rc::Rc};

use crate::{
    adversaries::{Adversaries, Adversary, Reached},
    store::Store,
    truth::Fact,
};

/// A record in the log.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) fact: Rc<Fact>,
}

/// The log: one partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) entries: Vec<Entry>,
    highest: u64,
}

impl Log {
    fn append(&mut self, number: u64, fact: Rc<Fact>, reached: &mut Reached) {
        if number > self.highest + 1 {
            // A hole, which whoever was delayed fills later.
            reached.count(Adversary::LateWrite);
        }
        if number <= self.highest && self.entries.iter().any(|entry| entry.number == number) {
            reached.count(Adversary::RelayRepeat);
        }
        self.highest = self.highest.max(number);
        self.entries.push(Entry { number, fact });
    }
}

#[derive(Clone, Debug, Default)]
struct Relay {
    /// The lease's token when it was taken; 0 for never.
    token: u64,
    /// Rows read from the outbox and not yet sent.
    batch: VecDeque<(u64, Rc<Fact>)>,
    paused: bool,
}

/// Both relays, and the writes that left one and did not land yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Relays {
    relays: [Relay; 2],
    late: Vec<(u64, Rc<Fact>)>,
}

impl Relays {
    /// One relay does one thing, or a late write lands.
    pub(crate) fn step(
        &mut self,
        rng: &mut fastrand::Rng,
        on: Adversaries,
        store: &mut Store,
        log: &mut Log,
        reached: &mut Reached,
    ) {
        if !self.late.is_empty() && rng.u8(..4) == 0 {
            let (number, fact) = self.late.swap_remove(rng.usize(..self.late.len()));
            log.append(number, fact, reached);
            return;
        }
        let who = usize::from(on.has(Adversary::ZombieRelay) && rng.bool());
        let relay = &mut self.relays[who];
        if relay.paused && rng.u8(..4) != 0 {
            return;
        }
        relay.paused = false;
        if relay.batch.is_empty() {
            if store.lease != relay.token || relay.token == 0 {
                // The holder's lease runs out only if it does not renew it: here, by chance.
                if store.lease != 0 && rng.u8(..3) != 0 {
                    return;
                }
                store.lease += 1;
                relay.token = store.lease;
            }
            let from = store.marked;
            let rows = store.outbox.iter().enumerate().skip(from).take(rng.usize(1..6));
            relay.batch = rows.map(|(at, fact)| (at as u64 + 1, Rc::clone(fact))).collect();
            if on.has(Adversary::ZombieRelay) && rng.u8(..3) == 0 {
                relay.paused = true;
                return;
            }
        }
        relay.send(rng, on, store, log, &mut self.late, reached);
    }

    /// Everything that can land has landed, and the rest is sent.
    pub(crate) fn drain(&mut self, store: &mut Store, log: &mut Log, reached: &mut Reached) {
        for (number, fact) in std::mem::take(&mut self.late) {
            log.append(number, fact, reached);
        }
        for relay in &mut self.relays {
            for (number, fact) in std::mem::take(&mut relay.batch) {
                log.append(number, fact, reached);
            }
        }
        for (at, fact) in store.outbox.iter().enumerate().skip(store.marked) {
            log.append(at as u64 + 1, Rc::clone(fact), reached);
        }
        store.marked = store.outbox.len();
    }
}

impl Relay {
    /// Sends the batch without waiting between its rows, then marks those in front that were acknowledged.
    fn send(
        &mut self,
        rng: &mut fastrand::Rng,
        on: Adversaries,
        store: &mut Store,
        log: &mut Log,
        late: &mut Vec<(u64, Rc<Fact>)>,
        reached: &mut Reached,
    ) {
        if self.token != store.lease {
            reached.count(Adversary::ZombieRelay);
        }
        let (mut marked, mut doubt) = (0, false);
        for (number, fact) in std::mem::take(&mut self.batch) {
            if on.has(Adversary::LateWrite) && rng.u8(..6) == 0 {
                late.push((number, fact));
                doubt = true;
                continue;
            }
            log.append(number, fact, reached);
            doubt |= on.has(Adversary::RelayRepeat) && rng.u8(..6) == 0;
            if !doubt {
                marked = number;
            }
        }
        // The statement asserts the token: a relay that lost its lease marks nothing.
        if self.token == store.lease {
            store.marked = store.marked.max(usize::try_from(marked).unwrap());
        }
    }
}
