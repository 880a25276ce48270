//! States and counts: what the receipts of an item add up to.
//!
//! `targeted` is the people in the audience now and those who left after receiving; `delivered` includes `read`;
//! `failed` is the people behind a dead letter; `pending` is what remains, and nothing once the item has ended,
//! when all is frozen.

use serde::{Deserialize, Serialize};

use crate::{
    End,
    receipts::{ItemReceipt, Moved},
};

/// The state of one message on its way to one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// No device of theirs has confirmed it.
    Pending,
    /// A device of theirs has it.
    Delivered,
    /// They have read it.
    Read,
    /// It lies behind a dead letter.
    Failed,
    /// Its time was over before a device confirmed it.
    Expired,
    /// It was taken back before a device confirmed it.
    Cancelled,
}

impl DeliveryState {
    /// The state that a receipt, a dead letter and an end make. A receipt outlives the end and the dead letter.
    pub fn of(receipt: Option<ItemReceipt>, failed: bool, ended: Option<End>) -> Self {
        let receipt = receipt.unwrap_or_default();
        match (receipt.read_at, receipt.delivered_at, ended) {
            (Some(_), _, _) => Self::Read,
            (None, Some(_), _) => Self::Delivered,
            (None, None, Some(End::Expired)) => Self::Expired,
            (None, None, Some(End::Cancelled)) => Self::Cancelled,
            (None, None, None) if failed => Self::Failed,
            (None, None, None) => Self::Pending,
        }
    }
}

/// The counters that move with receipts and dead letters; may be sharded, since they only add.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// People with a delivered row.
    pub delivered: u64,
    /// People with a read row.
    pub read: u64,
    /// People behind a dead letter.
    pub failed: u64,
}

impl Counters {
    /// Moves by what a row changed, in the transaction that changed it.
    pub fn apply(&mut self, moved: Moved) {
        self.delivered += u64::from(moved.delivered);
        self.read += u64::from(moved.read);
    }

    /// Puts people behind a dead letter.
    pub fn fail(&mut self, people: u64) {
        self.failed += people;
    }

    /// Takes people from behind a dead letter, which was redriven.
    pub fn redrive(&mut self, people: u64) {
        self.failed = self.failed.saturating_sub(people);
    }

    /// The sum of two shards.
    pub fn plus(self, other: Self) -> Self {
        Self {
            delivered: self.delivered + other.delivered,
            read: self.read + other.read,
            failed: self.failed + other.failed,
        }
    }

    /// The counts as people see them. `addressed` is the people in the audience now (frozen at the end);
    /// `received_and_left` those outside it who have a delivered row.
    pub fn stats(self, addressed: u64, received_and_left: u64, ended: bool) -> Stats {
        let targeted = addressed + received_and_left;
        let settled = self.delivered + self.failed;
        Stats {
            targeted,
            delivered: self.delivered,
            read: self.read,
            failed: self.failed,
            pending: if ended { 0 } else { targeted.saturating_sub(settled) },
        }
    }
}

/// Counts as people see them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// People in the audience now, and those who left after receiving.
    pub targeted: u64,
    /// People of whom a device confirmed it.
    pub delivered: u64,
    /// People who have read it.
    pub read: u64,
    /// People behind a dead letter.
    pub failed: u64,
    /// The rest; none once it has ended.
    pub pending: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_model::Timestamp;

    #[test]
    fn counts_add_up_until_the_end_and_nothing_is_pending_after_it() {
        let mut counters = Counters::default();
        counters.apply(Moved { delivered: true, read: true });
        counters.apply(Moved { delivered: true, read: false });
        counters.fail(2);
        let stats = Stats { targeted: 7, delivered: 2, read: 1, failed: 2, pending: 3 };
        assert_eq!(counters.stats(6, 1, false), stats);
        assert_eq!(counters.stats(6, 1, true), Stats { pending: 0, ..stats });
        counters.redrive(2);
        assert_eq!(counters.plus(Counters::default()).stats(6, 1, false).pending, 5);
    }

    #[test]
    fn a_receipt_outlives_the_end_and_what_was_pending_takes_the_ends_name() {
        let delivered = Some(ItemReceipt { delivered_at: Some(Timestamp(1)), read_at: None });
        assert_eq!(DeliveryState::of(delivered, true, Some(End::Expired)), DeliveryState::Delivered);
        assert_eq!(DeliveryState::of(None, true, Some(End::Cancelled)), DeliveryState::Cancelled);
        assert_eq!(DeliveryState::of(None, true, None), DeliveryState::Failed);
        assert_eq!(DeliveryState::of(None, false, None), DeliveryState::Pending);
    }
}
