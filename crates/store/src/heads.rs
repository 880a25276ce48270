//! The heads of the log's partitions: readers sleep on them and are woken by the commit, never by polling.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use tokio::sync::watch;

/// The next offset of each partition, by the partition's number.
#[derive(Debug, Default)]
pub struct Heads(RwLock<HashMap<u32, watch::Sender<u64>>>);

/// The next offset of one partition, as of the last commit.
pub type Head = watch::Receiver<u64>;

impl Heads {
    /// The head of a partition; `changed()` resolves at the next commit that appended to it.
    pub fn watch(&self, partition: u32) -> Head {
        if let Some(sender) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&partition) {
            return sender.subscribe();
        }
        let mut heads = self.0.write().unwrap_or_else(PoisonError::into_inner);
        heads.entry(partition).or_insert_with(|| watch::Sender::new(0)).subscribe()
    }

    /// Tells the readers of a partition that it now ends before `next_offset`.
    pub(crate) fn publish(&self, partition: u32, next_offset: u64) {
        let send = |sender: &watch::Sender<u64>| {
            sender.send_if_modified(|head| {
                let forward = next_offset > *head;
                if forward {
                    *head = next_offset;
                }
                forward
            })
        };
        if let Some(sender) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&partition) {
            send(sender);
            return;
        }
        let mut heads = self.0.write().unwrap_or_else(PoisonError::into_inner);
        send(heads.entry(partition).or_insert_with(|| watch::Sender::new(0)));
    }
}
