//! A store for the tests of one rule: the schema of delivery, the delivery log, and nothing in them.

use std::{path::Path, sync::Arc};

use tidings_log::{EmbeddedLog, Log as _};
use tidings_model::SystemClock;
use tidings_store::{Store, StoreOptions};

/// The store in a folder.
pub(crate) async fn store(folder: &Path) -> Store {
    let mut options = StoreOptions::at(folder.join("t.db"));
    options.migrations = crate::MIGRATIONS.to_vec();
    let store = Store::open(&options).unwrap();
    let log = EmbeddedLog::new(store.clone(), Arc::new(SystemClock));
    log.ensure_topics(&[(&crate::DELIVERIES_TOPIC).into()]).await.unwrap();
    store
}
