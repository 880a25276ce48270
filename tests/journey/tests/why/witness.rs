//! The witness: somebody whom every message is for, and who sees it come and go.

use std::collections::BTreeSet;

use serde_json::Value;
use tidings_testkit::{Device, TestApp};

/// A device that sees everything.
pub(super) struct Witness {
    device: Device,
    removed: BTreeSet<String>,
}

impl Witness {
    /// Connects before anything is said.
    pub(super) async fn of(app: &TestApp) -> Self {
        let mut device = app.person("witness").device("w").await;
        device.catch_up().await;
        Self { device, removed: BTreeSet::new() }
    }

    /// The newest cursor, which is the same for all sessions that are not narrowed.
    pub(super) fn cursor(&self) -> &str {
        self.device.cursor()
    }

    /// Reads until a broadcast came.
    pub(super) async fn sees(&mut self, id: &str) {
        loop {
            let (event_type, data) = self.event().await;
            if event_type == "broadcast.created" && data["broadcast_id"] == id {
                return;
            }
        }
    }

    /// Reads until all of these were taken from the screen.
    pub(super) async fn loses(&mut self, ids: &BTreeSet<String>) {
        while !ids.is_subset(&self.removed) {
            self.event().await;
        }
    }

    async fn event(&mut self) -> (String, Value) {
        let (event_type, data) = self.device.event().await;
        if event_type == "broadcast.removed" {
            self.removed.extend(data["broadcast_id"].as_str().map(str::to_owned));
        }
        (event_type, data)
    }
}
