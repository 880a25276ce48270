//! SQLite keeps what a store promises.

use tempfile::TempDir;
use tidings_store::{
    Store, StoreError, StoreOptions,
    conformance::{Keeper, Setup},
};

/// A file in a folder of its own.
struct Sqlite(TempDir);

impl Sqlite {
    fn fresh() -> Self {
        Self(tempfile::tempdir().expect("a folder can be made"))
    }
}

impl Keeper for Sqlite {
    fn open(&self, setup: &Setup) -> Result<Store, StoreError> {
        let mut options = StoreOptions::at(self.0.path().join("tidings.db"));
        options.queue = setup.queue;
        options.read_limit = setup.read_limit;
        options.log_bytes = setup.log_bytes;
        options.appends = setup.appends;
        options.migrations.clone_from(&setup.migrations);
        Store::open(&options)
    }
}

tidings_store::conformance!(Sqlite::fresh());
