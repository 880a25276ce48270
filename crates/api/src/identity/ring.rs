//! The keys in hand, and where new ones come from: a set is read again when it is old or lacks a key.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use http::Uri;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tidings_model::{Clock, Timestamp};
use tokio::sync::Mutex;

use super::keys::Key;

/// How old a set may be before it is read again.
const OLD: Duration = Duration::from_mins(10);
/// The shortest pause between two readings: unknown keys must not make us a hammer.
const PAUSE: Duration = Duration::from_secs(10);
/// How long a reading may take.
const FETCH: Duration = Duration::from_secs(5);
/// The largest set.
const MAX_SET_BYTES: usize = 256 << 10;

/// Where keys come from.
#[derive(Clone)]
pub enum KeySource {
    /// A shared secret of at least 32 bytes.
    Secret(Vec<u8>),
    /// A public key in a PEM file.
    PemFile(PathBuf),
    /// A JSON Web Key Set in a file.
    SetFile(PathBuf),
    /// A JSON Web Key Set at an address: `https://`, or `http://` on this machine.
    SetUrl(String),
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(_) => f.write_str("a shared secret"),
            Self::PemFile(path) | Self::SetFile(path) => write!(f, "{}", path.display()),
            Self::SetUrl(url) => f.write_str(url),
        }
    }
}

/// The keys in hand.
#[derive(Debug)]
pub(super) struct KeyRing {
    source: KeySource,
    held: RwLock<Arc<[Key]>>,
    /// When the source was last read; held while it is read, so that one caller reads for all.
    read_at: Mutex<Timestamp>,
    clock: Arc<dyn Clock>,
}

impl KeyRing {
    /// Reads the keys for the first time.
    pub(super) async fn load(source: KeySource, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let held = read(&source).await.map_err(|cause| match &source {
            KeySource::Secret(_) => cause,
            source @ (KeySource::PemFile(_) | KeySource::SetFile(_) | KeySource::SetUrl(_)) => {
                format!("cannot take keys from {source:?}: {cause}")
            }
        })?;
        let read_at = Mutex::new(clock.now());
        Ok(Self { source, held: RwLock::new(held.into()), read_at, clock })
    }

    /// The keys in hand.
    pub(super) fn held(&self) -> Arc<[Key]> {
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the source again if it was not read just now. Answers whether there may be other keys in hand.
    pub(super) async fn renew(&self) -> bool {
        if matches!(self.source, KeySource::Secret(_) | KeySource::PemFile(_)) {
            return false;
        }
        let asked = self.held();
        let mut read_at = self.read_at.lock().await;
        if !Arc::ptr_eq(&asked, &self.held()) {
            // Somebody else read it while this one waited.
            return true;
        }
        let now = self.clock.now();
        if now < read_at.plus(PAUSE) {
            return false;
        }
        *read_at = now;
        match read(&self.source).await {
            Ok(keys) => {
                *self.held.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
                true
            }
            Err(cause) => {
                tracing::warn!(source = ?self.source, cause, "the keys could not be read again; the old ones stay");
                false
            }
        }
    }

    /// Reads the source again if the keys in hand are old: an issuer takes a key back by leaving it out.
    pub(super) async fn renew_when_old(&self) {
        // While somebody reads, everybody else goes on with what is in hand.
        let old = self.read_at.try_lock().is_ok_and(|read_at| self.clock.now() >= read_at.plus(OLD));
        if old {
            self.renew().await;
        }
    }
}

async fn read(source: &KeySource) -> Result<Vec<Key>, String> {
    match source {
        KeySource::Secret(secret) => Ok(vec![Key::secret(secret)?]),
        KeySource::PemFile(path) => Ok(vec![Key::pem(&file(path).await?)?]),
        KeySource::SetFile(path) => Key::set(&file(path).await?),
        KeySource::SetUrl(url) => {
            let fetched = tokio::time::timeout(FETCH, fetch(url)).await;
            Key::set(&fetched.map_err(|_elapsed| format!("no answer in {} s", FETCH.as_secs()))??)
        }
    }
}

async fn file(path: &std::path::Path) -> Result<Vec<u8>, String> {
    tokio::fs::read(path).await.map_err(|cause| cause.to_string())
}

/// Fetches a set. There is no redirect to follow: the operator named the place.
async fn fetch(url: &str) -> Result<Vec<u8>, String> {
    let uri: Uri = url.parse().map_err(|_cause| "it is no address".to_owned())?;
    let here = matches!(uri.host(), Some("127.0.0.1" | "[::1]" | "localhost"));
    if uri.scheme_str() != Some("https") && !here {
        return Err("keys come over https, or over http from this machine".to_owned());
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_webpki_roots()
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<bytes::Bytes>>(connector);
    let answer = client.get(uri).await.map_err(|cause| cause.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("the answer was {}", answer.status()));
    }
    let body =
        Limited::new(answer.into_body(), MAX_SET_BYTES).collect().await.map_err(|cause| cause.to_string())?;
    Ok(body.to_bytes().to_vec())
}
