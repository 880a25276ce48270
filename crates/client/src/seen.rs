//! What a listener has seen: the newest event ids, so that a repeat is dropped.

use std::collections::{HashSet, VecDeque};

use tidings_model::EventId;

/// Remembers so many ids; older ones are forgotten first.
#[derive(Debug)]
pub(crate) struct Seen {
    known: HashSet<EventId>,
    order: VecDeque<EventId>,
    limit: usize,
}

impl Seen {
    pub(crate) fn new(limit: usize) -> Self {
        Self { known: HashSet::new(), order: VecDeque::new(), limit }
    }

    /// Whether the id is new; it is known from now on.
    pub(crate) fn is_new(&mut self, id: &EventId) -> bool {
        if !self.known.insert(id.clone()) {
            return false;
        }
        self.order.push_back(id.clone());
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_new_once_until_it_is_forgotten() {
        let id = |n: u32| format!("evt_{n}").parse::<EventId>().unwrap();
        let mut seen = Seen::new(2);
        assert!(seen.is_new(&id(1)) && seen.is_new(&id(2)));
        assert!(!seen.is_new(&id(1)));
        assert!(seen.is_new(&id(3)));
        assert!(!seen.is_new(&id(2)));
        assert!(seen.is_new(&id(1)));
    }
}
