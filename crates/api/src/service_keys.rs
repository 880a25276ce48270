//! Service keys: what programs come in with. A key is random and shown once; the database holds its hash, and of a key of
//! 256 random bits a fast hash tells nobody anything.
//!
//! A key may do what its scopes name, and nothing else: routes that name no scope are for people.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use tidings_model::{Clock, KeyId, Timestamp, UserId, planted};
use tidings_store::{Lane, Row, Store, StoreError, Tx, params};

use crate::{Caller, Code, Kept, Problem};

/// What every key begins with, so that people and scanners of secrets know one where they see it.
const PREFIX: &str = "tdk_";
/// The random bytes of a key.
const BYTES: usize = 32;
/// The most keys that hold at a time.
const MOST: u64 = 1_000;
/// How often the last use is noted.
const NOTED_EACH: Duration = Duration::from_mins(1);

/// A key, in the one moment in which it is shown.
pub struct NewKey(String);

impl NewKey {
    /// A fresh one.
    pub fn random() -> Result<Self, Problem> {
        let mut secret = [0; BYTES];
        getrandom::fill(&mut secret).map_err(|cause| {
            tracing::error!(%cause, "the operating system gave no randomness");
            Problem::new(Code::Internal, "no key could be made")
        })?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret))))
    }

    /// What is kept of it.
    pub fn hash(&self) -> Vec<u8> {
        hash(&self.0)
    }

    /// The key itself, for the answer.
    pub fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewKey { … }")
    }
}

fn hash(key: &str) -> Vec<u8> {
    Sha256::digest(key).to_vec()
}

/// What is known of a key: all but the key.
#[derive(Clone, Debug)]
pub struct ServiceKey {
    /// Names it, also as a caller.
    pub id: KeyId,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: BTreeSet<String>,
    /// Whether it has the role `admin`, and with it every scope.
    pub admin: bool,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
    /// When it was used; at most a minute behind.
    pub last_used_at: Option<Timestamp>,
}

/// Why a key does not hold; for the log, the caller learns only that it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRefused {
    /// Nobody made it.
    #[error("no service key is like it")]
    Unknown,
    /// It was taken back.
    #[error("the service key was revoked")]
    Revoked,
    /// Its time is over.
    #[error("the service key is over its time")]
    Expired,
}

impl ServiceKey {
    /// Why it does not hold, if it does not.
    pub fn refused(&self, now: Timestamp) -> Option<KeyRefused> {
        if self.revoked_at.is_some() && !planted::is("revoked_keys_hold") {
            return Some(KeyRefused::Revoked);
        }
        self.expires_at.is_some_and(|end| end <= now).then_some(KeyRefused::Expired)
    }

    /// The caller that it names, if it holds.
    fn named(&self, now: Timestamp) -> Result<Caller, KeyRefused> {
        if let Some(refused) = self.refused(now) {
            return Err(refused);
        }
        Ok(Caller {
            user_id: self.id.into(),
            service: true,
            admin: self.admin,
            scopes: self.scopes.clone(),
            roles: None,
            groups: None,
            apps: None,
            expires_at: self.expires_at.unwrap_or(Timestamp::MAX),
            issued_at: self.created_at,
        })
    }
}

/// Knows who comes with a key.
#[derive(Debug)]
pub struct ServiceKeys {
    store: Store,
    clock: Arc<dyn Clock>,
    kept: Kept<Vec<u8>, ServiceKey>,
}

impl ServiceKeys {
    /// The keys of a store.
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, kept: Kept::default() }
    }

    /// Whether a bearer token is meant as a key.
    pub(crate) fn is_one(token: &str) -> bool {
        token.starts_with(PREFIX)
    }

    /// The caller that a key names, or why it does not hold.
    pub(crate) async fn caller(&self, key: &str) -> Result<Result<Caller, KeyRefused>, StoreError> {
        let (hash, now) = (hash(key), self.clock.now());
        if let Some(known) = self.kept.get(&hash, now) {
            return Ok(known.named(now));
        }
        let asked = hash.clone();
        let found = self.store.read(move |tx| async move { of_hash(&tx, asked).await }).await?;
        let Some(found) = found else { return Ok(Err(KeyRefused::Unknown)) };
        if found.refused(now).is_none() {
            self.note_use(&found, now).await;
            self.kept.put(hash, found.clone(), now);
        }
        Ok(found.named(now))
    }

    /// Notes that a key is in use. A key holds whether that could be noted or not.
    async fn note_use(&self, key: &ServiceKey, now: Timestamp) {
        let before = now.minus(NOTED_EACH);
        if key.last_used_at.is_some_and(|used| used > before) {
            return;
        }
        let id = key.id;
        let noting = self.store.transact_in(Lane::Bulk, move |tx| async move {
            tx.execute(
                "UPDATE service_keys
                 SET last_used_at = $2
                 WHERE key_id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)",
                params![id.to_string(), now, before],
            )
            .await
        });
        if let Err(cause) = noting.await {
            tracing::warn!(%cause, %id, "the use of a service key could not be noted");
        }
    }
}

/// Keeps a new key.
pub async fn put(tx: &Tx, key: &ServiceKey, hash: Vec<u8>) -> Result<(), Problem> {
    // They are counted before one is added.
    tx.lock("service-keys", "").await?;
    let row = tx
        .one(
            "SELECT COUNT(*) FROM service_keys
             WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)",
            params![key.created_at],
        )
        .await?;
    if row.get::<u64>(0)? >= MOST {
        let detail = format!("there are {MOST} keys that hold; revoke those that nobody uses");
        return Err(Problem::new(Code::Conflict, detail));
    }
    let scopes: Vec<&str> = key.scopes.iter().map(String::as_str).collect();
    tx.execute(
        "INSERT INTO service_keys (key_id, key_hash, name, scopes, admin, created_by, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        params![
            key.id.to_string(),
            hash,
            &key.name,
            scopes.join(" "),
            key.admin,
            key.created_by.as_str(),
            key.created_at,
            key.expires_at
        ],
    )
    .await?;
    Ok(())
}

async fn of_hash(tx: &Tx, hash: Vec<u8>) -> Result<Option<ServiceKey>, StoreError> {
    let row = tx
        .optional(
            "SELECT key_id, name, scopes, admin, created_by, created_at, expires_at, revoked_at, last_used_at
             FROM service_keys
             WHERE key_hash = $1",
            params![hash],
        )
        .await?;
    row.as_ref().map(key).transpose()
}

/// A page of keys, newest first.
pub async fn list(tx: &Tx, after: Option<KeyId>, limit: usize) -> Result<Vec<ServiceKey>, StoreError> {
    let rows = tx
        .query(
            "SELECT key_id, name, scopes, admin, created_by, created_at, expires_at, revoked_at, last_used_at
             FROM service_keys
             WHERE (CAST($1 AS TEXT) IS NULL OR key_id < $1)
             ORDER BY key_id DESC
             LIMIT $2",
            params![after.map(|id| id.to_string()), limit],
        )
        .await?;
    rows.iter().map(key).collect()
}

/// Takes a key back. True: it was not before; none: there is no such key.
pub async fn revoke(tx: &Tx, id: KeyId, now: Timestamp) -> Result<Option<bool>, StoreError> {
    let revoked = tx
        .execute(
            "UPDATE service_keys SET revoked_at = $2 WHERE key_id = $1 AND revoked_at IS NULL",
            params![id.to_string(), now],
        )
        .await?;
    if revoked == 1 {
        return Ok(Some(true));
    }
    let there = tx.optional("SELECT 1 FROM service_keys WHERE key_id = $1", params![id.to_string()]).await?;
    Ok(there.map(|_row| false))
}

/// Forgets keys that have not held since `before`, some at a time. Answers how many.
pub async fn forget(tx: &Tx, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM service_keys WHERE key_id IN (
           SELECT key_id FROM service_keys WHERE revoked_at < $1 OR expires_at < $1 LIMIT 500)",
        params![before],
    )
    .await
}

fn key(row: &Row) -> Result<ServiceKey, StoreError> {
    let scopes: String = row.get(2)?;
    Ok(ServiceKey {
        id: row.parse(0)?,
        name: row.get(1)?,
        scopes: scopes.split_ascii_whitespace().map(str::to_owned).collect(),
        admin: row.get(3)?,
        created_by: row.parse(4)?,
        created_at: row.get(5)?,
        expires_at: row.get(6)?,
        revoked_at: row.get(7)?,
        last_used_at: row.get(8)?,
    })
}
