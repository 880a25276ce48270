//! Without a cursor: which of the pending messages are sent, and which are only counted.

use tidings_model::Priority;

use crate::{
    DeliveryRecord, Place,
    interval::Ranges,
    planted::{Bug, planted},
};

/// What a session that opens gets of what is pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection<F> {
    /// To be sent, oldest first.
    pub send: Vec<F>,
    /// How many are not: the count of the `digest` frame, when it is not 0.
    pub left_out: u64,
    /// The first places of those that are not sent, for [`Opening::withheld`](crate::session::Opening::withheld).
    pub withheld: Ranges,
}

/// Takes the oldest `limit` of the pending messages and, beyond them, every urgent one.
///
/// `pending` is ordered by [`first`](DeliveryRecord::first) place and has one record for each event.
pub fn select_pending<F: AsRef<DeliveryRecord>>(
    pending: impl IntoIterator<Item = F>,
    limit: usize,
) -> Selection<F> {
    let mut selection = Selection { send: Vec::new(), left_out: 0, withheld: Ranges::default() };
    let mut run: Option<(Place, Place)> = None;
    for (at, frame) in pending.into_iter().enumerate() {
        let record = frame.as_ref();
        if at < limit || record.priority == Priority::Urgent {
            if let Some((first, last)) = run.take() {
                selection.withheld.push(first, last);
            }
            selection.send.push(frame);
        } else {
            selection.left_out += 1;
            run = Some((run.map_or(record.first, |(first, _)| first), record.first));
        }
    }
    if let Some((first, last)) = run {
        selection.withheld.push(first, last);
    }
    if planted(Bug::DigestConfirmed) {
        selection.withheld = Ranges::default();
    }
    selection
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::record::tests::said;

    #[test]
    fn beyond_the_limit_only_urgent_messages_are_sent_and_the_rest_is_counted_and_noted() {
        let pending = (1..=8).map(|place| {
            let mut record = said(place);
            if place == 5 {
                record.priority = Priority::Urgent;
            }
            Arc::new(record)
        });
        let selection = select_pending(pending, 3);
        let sent: Vec<u64> = selection.send.iter().map(|record| record.place.0).collect();
        assert_eq!(sent, [1, 2, 3, 5]);
        assert_eq!(selection.left_out, 4);
        let withheld: Vec<(Place, Place)> = selection.withheld.iter().collect();
        assert_eq!(withheld, [(Place(4), Place(4)), (Place(6), Place(8))]);
    }
}
