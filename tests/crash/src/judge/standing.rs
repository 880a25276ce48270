//! How far people came, as who sent messages is told: it only goes forward.

use std::collections::{BTreeMap, HashMap};

use super::{Device, Rule, Seen, Violation};

/// What a device of who sent a message was told.
pub(super) struct Stood {
    pub(super) device: Device,
    /// The server's id of the message.
    pub(super) id: String,
    /// Whose word it is.
    pub(super) by: String,
    pub(super) read: bool,
    /// Of how many it was delivered and read, where many are counted.
    pub(super) counts: Option<(u64, u64)>,
}

/// R7: where one of two people went back, or did not move; where a count of a group went down.
pub(super) fn went_back(stood: &[Stood], views: &BTreeMap<Device, Vec<Seen>>) -> Vec<Violation> {
    let places: HashMap<&str, (&str, u64)> =
        views.values().flatten().map(|seen| (seen.id.as_str(), (seen.key.as_str(), seen.n))).collect();
    let (mut far, mut counted) = (HashMap::new(), HashMap::new());
    let mut wrong = Vec::new();
    for Stood { device, id, by, read, counts } in stood {
        let what = if let Some(counts) = *counts {
            let before = counted.insert((device, id), counts).unwrap_or_default();
            let is_down = counts.0 < before.0 || counts.1 < before.1;
            is_down.then(|| format!("{id} went from {before:?} to {counts:?}"))
        } else if let Some((key, n)) = places.get(id.as_str()).copied() {
            let (delivered, was_read) = far.entry((device, key, by)).or_insert((0, 0));
            let before = if *read { *was_read } else { *delivered };
            *delivered = n.max(*delivered);
            if *read {
                *was_read = n.max(*was_read);
            }
            (n <= before).then(|| format!("{by} came to {n} of {key}, and was at {before}"))
        } else {
            Some(format!("{by} came to {id}, which no device showed"))
        };
        let whom = |what| format!("{what}, as {} is told on {}", device.0, device.1);
        wrong.extend(what.map(|what| Violation { rule: Rule::R7, what: whom(what) }));
    }
    wrong
}
