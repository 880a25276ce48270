//! One order for all: whether there is one sequence of deliveries that every device agrees with.
//!
//! The views of all devices together are a graph, an edge from each delivery to the next one that the device
//! showed. There is such a sequence if and only if the graph has no cycle.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Device, Seen};

/// What a device showed, in order, each delivery once, without what came late.
fn sequence(view: &[Seen]) -> Vec<&str> {
    let mut shown = HashSet::new();
    let in_place = view.iter().filter(|seen| !seen.late).map(|seen| seen.event.as_str());
    in_place.filter(|event| shown.insert(*event)).collect()
}

/// Where the devices contradict each other, if they do.
pub(super) fn contradiction(views: &BTreeMap<Device, Vec<Seen>>) -> Option<String> {
    let sequences: Vec<(&Device, Vec<&str>)> =
        views.iter().map(|(device, view)| (device, sequence(view))).collect();
    let tangled = tangled(&sequences);
    if tangled.is_empty() {
        return None;
    }
    Some(pair(&sequences, &tangled).unwrap_or_else(|| {
        format!("{} deliveries stand in a circle that no two devices show alone", tangled.len())
    }))
}

/// The deliveries that no sequence can hold: what is left when whatever has no predecessor is taken away.
fn tangled<'a>(sequences: &[(&Device, Vec<&'a str>)]) -> HashSet<&'a str> {
    let mut next: HashMap<&str, Vec<&'a str>> = HashMap::new();
    let mut before: HashMap<&'a str, usize> = HashMap::new();
    for (_, sequence) in sequences {
        for event in sequence {
            before.entry(event).or_default();
        }
        for (one, other) in sequence.iter().zip(sequence.iter().skip(1)) {
            next.entry(one).or_default().push(other);
            *before.entry(other).or_default() += 1;
        }
    }
    let mut free: Vec<&str> =
        before.iter().filter(|(_, count)| **count == 0).map(|(event, _)| *event).collect();
    while let Some(event) = free.pop() {
        before.remove(event);
        for other in next.remove(event).unwrap_or_default() {
            if let Some(count) = before.get_mut(other) {
                *count -= 1;
                if *count == 0 {
                    free.push(other);
                }
            }
        }
    }
    before.into_keys().collect()
}

/// Two devices that show two deliveries the other way round.
fn pair(sequences: &[(&Device, Vec<&str>)], tangled: &HashSet<&str>) -> Option<String> {
    let kept: Vec<(&Device, Vec<&str>)> = sequences
        .iter()
        .map(|(device, sequence)| {
            (*device, sequence.iter().filter(|event| tangled.contains(*event)).copied().collect())
        })
        .collect();
    for (at, (one, first)) in kept.iter().enumerate() {
        let places: HashMap<&str, usize> = first.iter().enumerate().map(|(at, event)| (*event, at)).collect();
        for (other, second) in kept.iter().skip(at + 1) {
            let common: Vec<(&str, usize)> =
                second.iter().filter_map(|event| Some((*event, *places.get(event)?))).collect();
            for (before, after) in common.iter().zip(common.iter().skip(1)) {
                if after.1 < before.1 {
                    return Some(format!(
                        "{} on {} saw {} before {}, {} on {} the other way round",
                        one.0, one.1, after.0, before.0, other.0, other.1
                    ));
                }
            }
        }
    }
    None
}
