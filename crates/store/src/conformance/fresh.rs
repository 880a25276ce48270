//! Databases of their own for tests: each gets an empty one, so that all can run beside each other.

use std::{
    future::Future,
    hash::{BuildHasher as _, Hasher as _, RandomState},
};

use crate::{Migration, Store, StoreError, StoreOptions, postgres};

/// What a test says that needs PostgreSQL and was not told of one.
pub const NO_POSTGRES: &str =
    "passed over: this needs PostgreSQL; run it by `scripts/postgres with cargo test …`";

/// The address of a server on which databases may be made.
const SERVER: &str = "TIDINGS_TEST_POSTGRES";

/// An empty database on the PostgreSQL of the tests; it goes when it is dropped.
#[derive(Debug)]
pub struct FreshDatabase {
    server: String,
    name: String,
}

impl FreshDatabase {
    /// Makes one; none if the tests were not told of a server.
    pub fn postgres() -> Result<Option<Self>, StoreError> {
        let Some(server) = std::env::var_os(SERVER).and_then(|server| server.into_string().ok()) else {
            return Ok(None);
        };
        let random = RandomState::new().build_hasher().finish();
        let name = format!("tidings_test_{random:016x}");
        postgres::run_alone(&server, format!("CREATE DATABASE {name}"))?;
        Ok(Some(Self { server, name }))
    }

    /// Its address.
    pub fn url(&self) -> String {
        let (server, _database) = self.server.rsplit_once('/').unwrap_or((&self.server, ""));
        format!("{server}/{}", self.name)
    }
}

impl Drop for FreshDatabase {
    fn drop(&mut self) {
        // What is left of a test that failed is no reason to fail another.
        drop(postgres::run_alone(&self.server, format!("DROP DATABASE {} WITH (FORCE)", self.name)));
    }
}

/// The types of each statement's parameters, or why PostgreSQL does not take it.
pub fn prepare(
    url: &str,
    statements: &[&'static str],
) -> Result<Vec<Result<Vec<String>, String>>, StoreError> {
    postgres::prepare_alone(url, statements.to_vec())
}

/// Runs a test on each store there is: on a SQLite file in `folder` and, where the tests were told of a server,
/// on PostgreSQL. Tells the test which one it has.
#[expect(clippy::print_stdout, reason = "a test says what it passes over")]
pub async fn each_store<F, Fut>(folder: &std::path::Path, migrations: &[Migration], test: F)
where
    F: Fn(Store) -> Fut,
    Fut: Future<Output = ()>,
{
    let mut options = StoreOptions::at(folder.join("tidings.db"));
    options.migrations = migrations.to_vec();
    test(Store::open(&options).expect("SQLite opens")).await;
    match FreshDatabase::postgres().expect("the server of the tests answers") {
        Some(database) => {
            let mut options = StoreOptions::postgres(database.url());
            options.migrations = migrations.to_vec();
            test(Store::open(&options).expect("PostgreSQL opens")).await;
        }
        None => println!("{NO_POSTGRES}"),
    }
}
