//! How a command fails: one line with its causes and the next step, and an exit code that scripts can tell apart.

use std::{error::Error, io, process::ExitCode};

use tidings_client::ClientError;
use tidings_config::ConfigError;
use tidings_server::StartError;

use crate::terminal::{harmless, remark};

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
}

/// What scripts tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whoever read our output has enough (`| head`): no failure, and nothing more to say.
    Enough = 0,
    /// It went wrong.
    Failed = 1,
    /// It was asked for something that cannot be, as what the parser refuses.
    Usage = 2,
    /// No server answers there.
    Unreachable = 3,
    /// The server refused.
    Refused = 4,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::of_kind(Kind::Failed, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::of_kind(Kind::Usage, message)
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::of_kind(Kind::Refused, message)
    }

    fn of_kind(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The failure and its causes, each once.
    pub(crate) fn of(error: &dyn Error) -> Self {
        Self::new(chain(error))
    }

    /// The same failure as one of this kind.
    pub(crate) fn with_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    pub(crate) fn is(&self, kind: Kind) -> bool {
        self.kind == kind
    }

    /// What it says.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The same failure, said otherwise if it is of this kind.
    pub(crate) fn said(mut self, kind: Kind, otherwise: impl FnOnce(String) -> String) -> Self {
        if self.is(kind) {
            self.message = otherwise(self.message);
        }
        self
    }

    /// Tells the person, and the shell.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.is(Kind::Enough) {
            remark(format_args!("tidings: {}", harmless(&self.message)));
        }
        ExitCode::from(self.kind as u8)
    }
}

/// An error's sentence and those of its causes; a cause that its parent already quotes is left out.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_says = cause.to_string();
        if !message.ends_with(&cause_says) {
            message = format!("{message}: {cause_says}");
        }
        next = cause.source();
    }
    message
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let enough = error.kind() == io::ErrorKind::BrokenPipe;
        if enough { Self::of_kind(Kind::Enough, "") } else { Self::of(&error) }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::of(&error)
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::of(&error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let kind = match &error {
            ClientError::Url { .. } => Kind::Usage,
            ClientError::Unreachable(_) => Kind::Unreachable,
            ClientError::Refused(refusal) if refusal.status.is_client_error() => Kind::Refused,
            ClientError::Closed { .. } if !error.may_reconnect() => Kind::Refused,
            ClientError::Request(_)
            | ClientError::Timeout { .. }
            | ClientError::Refused(_)
            | ClientError::Closed { .. }
            | ClientError::Ended
            | ClientError::Cut(_)
            | ClientError::Silent { .. }
            | ClientError::Undocumented { .. } => Kind::Failed,
        };
        Self::of_kind(kind, chain(&error))
    }
}
