//! Ids that follow from something: the same whenever it comes, so that who meets it again makes nothing new of it.

use sha2::{Digest as _, Sha256};
use tidings_model::Timestamp;

/// The id of what follows from `parts`, made at `time`: other parts give another id, and the same ones the same.
pub fn derived<Id: From<u128>>(parts: &[&str], time: Timestamp) -> Id {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let random = hash.finalize().iter().take(10).fold(0, |bits: u128, byte| bits << 8 | u128::from(*byte));
    let millis = u128::from(u64::try_from(time.millis()).unwrap_or(0)) & ((1 << 48) - 1);
    Id::from(millis << 80 | random)
}

#[cfg(test)]
mod tests {
    use tidings_model::OrderId;

    use super::*;

    #[test]
    fn the_same_parts_give_the_same_id_and_others_another() {
        let at = Timestamp(1_700_000_000_000);
        let id: OrderId = derived(&["a", "b"], at);
        assert_eq!((derived::<OrderId>(&["a", "b"], at), id.time()), (id, at));
        assert_ne!(derived::<OrderId>(&["ab", ""], at), id);
    }
}
