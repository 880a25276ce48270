//! How a command reaches a server: its addresses, and the token of who asks.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use clap::Args;
use http::{HeaderName, Method, StatusCode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tidings_client::{Answer, Client, ClientError};

use crate::{
    demo::{ADMIN, Demo},
    failure::{Failure, Kind},
};

/// How long a token that `--demo` makes is valid.
const DEMO_LIFE: Duration = Duration::from_hours(12);

/// Where the server is, and who asks.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct Reach {
    /// The server's address.
    #[arg(long, env = "TIDINGS_SERVER", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub(crate) server: String,
    /// The address of the operators' routes.
    #[arg(long, env = "TIDINGS_ADMIN", default_value = "http://127.0.0.1:8090", value_name = "URL")]
    pub(crate) admin: String,
    /// Who asks: a token, such as `tidings token` mints.
    #[arg(long, env = "TIDINGS_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Ask as somebody of the demo that runs in this folder.
    #[arg(long)]
    pub(crate) demo: bool,
    /// The settings, for where the demo lies.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl Reach {
    /// The token of the one who asks; in the demo, of `person`, or else of its administrator.
    pub(crate) fn token(&self, person: Option<&str>) -> Result<String, Failure> {
        if self.demo {
            let demo = Demo::here(self.config.as_ref())?;
            return demo.token(person.unwrap_or(ADMIN), DEMO_LIFE);
        }
        self.token.clone().ok_or_else(|| {
            Failure::usage(
                "nobody asks: give --token, set TIDINGS_TOKEN, or use --demo beside `tidings serve --demo`",
            )
        })
    }

    /// Speaks to the server as `person` of the demo, or as whom the token names.
    pub(crate) fn client(&self, person: Option<&str>) -> Result<Client, Failure> {
        Ok(Client::new(&self.server, Some(&self.token(person)?))?)
    }

    /// Speaks to the operators' listener.
    pub(crate) fn operator(&self) -> Result<Client, Failure> {
        Ok(Client::new(&self.admin, Some(&self.token(None)?))?)
    }
}

/// GET, read as JSON.
pub(crate) async fn get<T: DeserializeOwned>(client: &Client, path: &str) -> Result<T, Failure> {
    let answer = client.get(path).await.map_err(|cause| unreached(client, cause))?;
    Ok(granted(answer)?.json()?)
}

/// GET of something long, piece by piece.
pub(crate) async fn download(
    client: &Client,
    path: &str,
    mut piece: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<(), Failure> {
    let answer = client.download(path, |bytes| piece(bytes).map_err(Failure::from)).await;
    let answer = answer.map_err(|failure| unreached_as(client, failure))?;
    granted(answer).map(drop)
}

/// An answer, read as JSON if it is a success.
pub(crate) fn read<T: DeserializeOwned>(answer: Answer) -> Result<T, Failure> {
    Ok(granted(answer)?.json()?)
}

/// POST with a key that makes a repeat harmless, read as JSON.
pub(crate) async fn post_once<T: DeserializeOwned>(
    client: &Client,
    path: &str,
    key: &str,
    body: &impl Serialize,
) -> Result<T, Failure> {
    let json: Bytes = serde_json::to_vec(body).map_err(|cause| Failure::of(&cause))?.into();
    let headers = [(HeaderName::from_static("idempotency-key"), key)];
    let answer = client.send(Method::POST, path, &headers, Some(json)).await;
    Ok(granted(answer.map_err(|cause| unreached(client, cause))?)?.json()?)
}

/// A name as part of a path or query: letters, digits and `-._~` stay, every other byte becomes `%XX`.
pub(crate) fn segment(name: &str) -> String {
    name.bytes().fold(String::new(), |path, byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            path + &char::from(byte).to_string()
        }
        other => format!("{path}%{other:02X}"),
    })
}

/// Adds the next step to the failure of a server that is not there.
pub(crate) fn unreached(client: &Client, cause: ClientError) -> Failure {
    unreached_as(client, Failure::from(cause))
}

fn unreached_as(client: &Client, failure: Failure) -> Failure {
    let at = client.url("/").map(|url| url.to_string()).unwrap_or_default();
    failure.said(Kind::Unreachable, |why| {
        format!(
            "no server at {}: start it with `make run`, or name another with --server and --admin ({why})",
            at.trim_end_matches('/')
        )
    })
}

/// The answer if it is a success, or what the server refused, value by value, with the next step.
pub(crate) fn granted(answer: Answer) -> Result<Answer, Failure> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Problem {
        title: String,
        detail: String,
        errors: Vec<FieldError>,
    }
    #[derive(Deserialize)]
    struct FieldError {
        pointer: String,
        detail: String,
    }
    if answer.status.is_success() {
        return Ok(answer);
    }
    let problem: Problem = serde_json::from_slice(&answer.body).unwrap_or_default();
    let mut says: Vec<String> =
        problem.errors.iter().map(|wrong| format!("{} {}", wrong.pointer, wrong.detail)).collect();
    if says.is_empty() {
        says = [problem.detail, problem.title].into_iter().filter(|text| !text.is_empty()).take(1).collect();
    }
    let next = match answer.status {
        StatusCode::UNAUTHORIZED => {
            "; mint one with `tidings token`, or make a key with `tidings keys create`"
        }
        StatusCode::NOT_FOUND if says.is_empty() => "; is that the address of a Tidings server?",
        _other => "",
    };
    let code = answer.status.as_u16();
    let message = format!("the server refused ({code}): {}{next}", says.join("; "));
    if answer.status.is_client_error() { Err(Failure::refused(message)) } else { Err(Failure::new(message)) }
}
