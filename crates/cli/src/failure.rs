//! How a command fails: one line with its causes, and an exit code.

use std::process::ExitCode;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    #[expect(clippy::print_stderr, reason = "this is where a command's failure is told")]
    pub(crate) fn report(self) -> ExitCode {
        eprintln!("tidings: {}", self.message);
        ExitCode::FAILURE
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            message = format!("{message}: {cause}");
            next = cause.source();
        }
        Self { message }
    }
}
