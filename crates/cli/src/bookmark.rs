//! A bookmark: where a listening device was, so that the next start goes on from there.
//!
//! It lies in `$XDG_STATE_HOME/tidings`, one file for each server, person, device and choice of channels. It is
//! written after a frame was printed: what was not printed comes again.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tidings_client::Frame;
use tidings_model::SessionId;

/// Where a device was.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Bookmark {
    /// Which device; the server gave it the name where the person did not.
    pub(crate) session: Option<SessionId>,
    /// After which place it goes on.
    pub(crate) cursor: Option<String>,
    #[serde(skip)]
    file: Option<PathBuf>,
}

impl Bookmark {
    /// The bookmark of a device; a fresh one where there is none that can be read.
    pub(crate) fn of(server: &str, token: &str, session: Option<&SessionId>, channels: &[String]) -> Self {
        let Some(file) = folder().map(|folder| folder.join(name(server, token, session, channels))) else {
            return Self::default();
        };
        let known = fs::read(&file).ok().and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        Self { file: Some(file), ..known.unwrap_or_default() }
    }

    /// Notes what a printed frame says about the place; a disk that refuses costs repeats at the next start, no more.
    pub(crate) fn note(&mut self, frame: &Frame, cursor: Option<&str>) {
        if let Frame::Ready(ready) = frame {
            self.session = Some(ready.session_id.clone());
        }
        self.cursor = cursor.map(str::to_owned);
        if let Some(file) = &self.file
            && let Err(cause) = write(file, self)
        {
            tracing::debug!(%cause, "could not write the bookmark");
        }
    }
}

fn folder() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(tidings_config::variable("HOME")?).join(".local/state"));
    let state =
        tidings_config::variable("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    Some(state.or_else(home)?.join("tidings"))
}

/// The file's name says nothing about the person, and is short however long their id is.
fn name(server: &str, token: &str, session: Option<&SessionId>, channels: &[String]) -> String {
    let mut channels = channels.to_vec();
    channels.sort_unstable();
    let session = session.map_or("", SessionId::as_str);
    let of = serde_json::json!([server, subject(token), session, channels]).to_string();
    let hash = Sha256::digest(of.as_bytes());
    format!("listen-{}.json", URL_SAFE_NO_PAD.encode(&hash[..12]))
}

/// Whom a token names; the server checks whether it is true.
pub(crate) fn subject(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        sub: String,
    }
    let claims = token.split('.').nth(1)?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    Some(claims.sub)
}

fn write(file: &Path, bookmark: &Bookmark) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let fresh = file.with_extension(format!("{}", std::process::id()));
    fs::write(&fresh, serde_json::to_vec(bookmark)?)?;
    fs::rename(&fresh, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_person_and_device_has_a_bookmark_of_its_own_and_a_new_token_keeps_it() {
        let token = |claims: &str| format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims));
        let phone: SessionId = "phone".parse().unwrap();
        let of = |token: &str, session: Option<&SessionId>| name("http://a", token, session, &[]);
        let alice = token(r#"{"sub":"alice","iat":1}"#);
        assert_eq!(of(&alice, None), of(&token(r#"{"sub":"alice","iat":2}"#), None));
        assert_ne!(of(&alice, None), of(&token(r#"{"sub":"bob"}"#), None));
        assert_ne!(of(&alice, None), of(&alice, Some(&phone)));
        assert_ne!(of(&alice, None), name("http://b", &alice, None, &[]));
        assert_ne!(of(&alice, None), name("http://a", &alice, None, &["all".to_owned()]));
    }
}
