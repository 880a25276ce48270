//! Passwords: kept as argon2id hashes. A hash costs tens of milliseconds and 19 MiB, so a few are made at a time, off
//! the threads that serve requests, and who comes when too many wait is sent away.

use std::{fmt, num::NonZeroUsize, sync::Arc, thread};

use argon2::{
    Argon2, PasswordHash, PasswordHasher as _, PasswordVerifier as _,
    password_hash::{Error, phc},
};
use serde::Deserialize;
use tidings::api::{Code, Problem};
use tokio::{sync::Semaphore, task};

/// The shortest and the longest password, in bytes.
const BYTES: std::ops::RangeInclusive<usize> = 8..=256;
/// How many may wait for a hash or have it made.
const ROOM: usize = 64;
/// The bytes of a salt, as RFC 9106 recommends.
const SALT_BYTES: usize = 16;
/// What the password of nobody is compared with, so that it takes as long as that of somebody.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A password as somebody typed it. Nothing shows it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Password(String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Password {
    /// What is wrong with it.
    pub(crate) fn check(&self) -> Option<&'static str> {
        (!BYTES.contains(&self.0.len())).then_some("a password has 8 to 256 bytes")
    }
}

/// Makes and compares hashes.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    room: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Passwords {
    /// Half of the processors make hashes; the rest serves those who are in already.
    pub(crate) fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            room: Arc::new(Semaphore::new(ROOM)),
            turns: Arc::new(Semaphore::new((processors / 2).max(1))),
        }
    }

    /// The hash that an account keeps.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, Problem> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|cause| {
            tracing::error!(%cause, "the operating system gave no randomness");
            Problem::new(Code::Internal, "the request failed; nothing of it was kept")
        })?;
        self.fingerprint(password, salt.to_vec()).await
    }

    /// The hash with a salt that is known: the same password gives the same one.
    pub(crate) async fn fingerprint(&self, password: Password, salt: Vec<u8>) -> Result<String, Problem> {
        self.run(move || hashed(&password, &salt)).await?.map_err(|cause| {
            tracing::error!(%cause, "a password could not be hashed");
            Problem::new(Code::Internal, "the request failed; nothing of it was kept")
        })
    }

    /// Whether a password is that of an account; where there is none it is not, and that takes as long.
    pub(crate) async fn matches(&self, password: Password, kept: Option<String>) -> Result<bool, Problem> {
        let matches = move || {
            let kept = PasswordHash::new(kept.as_deref().unwrap_or(NOBODYS));
            kept.is_ok_and(|kept| Argon2::default().verify_password(password.0.as_bytes(), &kept).is_ok())
        };
        self.run(matches).await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        let full = || {
            let detail = "too many people sign in at once; try again in a moment";
            Problem::new(Code::Unavailable, detail).retry_after(1)
        };
        let place = Arc::clone(&self.room).try_acquire_owned().map_err(|_full| full())?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_closed| full())?;
        // Who asked may be gone before it is done; its place is taken until then.
        let work = move || {
            let done = work();
            drop((place, turn));
            done
        };
        task::spawn_blocking(work).await.map_err(|cause| {
            tracing::error!(%cause, "the thread of a hash ended early");
            Problem::new(Code::Internal, "the request failed; nothing of it was kept")
        })
    }
}

fn hashed(password: &Password, salt: &[u8]) -> Result<String, Error> {
    let hash: phc::PasswordHash = Argon2::default().hash_password_with_salt(password.0.as_bytes(), salt)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_matches_its_hash_and_no_other_does() {
        let passwords = Passwords::new();
        let kept = passwords.hash(password("correct horse")).await.unwrap();
        assert!(passwords.matches(password("correct horse"), Some(kept.clone())).await.unwrap());
        assert!(!passwords.matches(password("correct horses"), Some(kept.clone())).await.unwrap());
        assert!(!passwords.matches(password("correct horse"), None).await.unwrap());
        assert_ne!(passwords.hash(password("correct horse")).await.unwrap(), kept, "each has its own salt");
    }

    #[tokio::test]
    async fn the_password_of_nobody_costs_what_that_of_somebody_costs() {
        let kept = Passwords::new().hash(password("correct horse")).await.unwrap();
        let costs = |hash: &str| hash.split('$').take(4).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(costs(&kept), costs(NOBODYS));
        assert_eq!(kept.len(), NOBODYS.len(), "and it is as long");
        assert!(PasswordHash::new(NOBODYS).is_ok());
    }

    #[tokio::test]
    async fn who_comes_when_too_many_wait_is_sent_away() {
        let passwords = Passwords { room: Arc::new(Semaphore::new(0)), ..Passwords::new() };
        let refused = passwords.matches(password("correct horse"), None).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable);
    }

    #[test]
    fn a_password_has_a_length_and_is_never_shown() {
        assert!(password("1234567").check().is_some() && password(&"x".repeat(257)).check().is_some());
        assert_eq!(password("12345678").check(), None);
        assert_eq!(format!("{:?}", password("correct horse")), "Password(…)");
    }
}
