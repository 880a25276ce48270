//! The lines that somebody types, or a program writes.

use std::{
    io::{self, BufRead, Read as _},
    thread,
};

use tokio::sync::mpsc;

use crate::failure::Failure;

/// The longest line that is read; the server takes less.
const LINE_BYTES: u64 = 256 << 10;

/// Lines of the standard input, each when it is asked for.
pub(super) struct Lines(mpsc::Receiver<Result<String, Failure>>);

impl Lines {
    /// Reads on a thread of its own, which ends with the process: nothing can wake who waits for a person.
    pub(super) fn of_stdin() -> Result<Self, Failure> {
        let (read, lines) = mpsc::channel(1);
        thread::Builder::new().name("lines".to_owned()).spawn(move || {
            let mut input = io::stdin().lock();
            while let Some(line) = line(&mut input).transpose() {
                let failed = line.is_err();
                if read.blocking_send(line).is_err() || failed {
                    return;
                }
            }
        })?;
        Ok(Self(lines))
    }

    /// The next line; none after the last. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Result<String, Failure>> {
        self.0.recv().await
    }
}

fn line(input: &mut impl BufRead) -> Result<Option<String>, Failure> {
    let mut bytes = Vec::new();
    if input.take(LINE_BYTES).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    if bytes.last() != Some(&b'\n') && bytes.len() as u64 == LINE_BYTES {
        return Err(Failure::new(format!("a line has more than {LINE_BYTES} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_cause| Failure::new("a line is not UTF-8"))?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_without_their_ends_and_one_without_an_end_is_one() {
        let mut input = io::Cursor::new("one\r\n\ntwo");
        let mut next = || line(&mut input).unwrap();
        assert_eq!(
            [next(), next(), next(), next()],
            [Some("one".to_owned()), Some(String::new()), Some("two".to_owned()), None]
        );
    }

    #[test]
    fn a_line_without_end_and_one_that_is_no_text_are_refused() {
        assert!(line(&mut io::BufReader::new(io::repeat(b'x'))).is_err());
        assert!(line(&mut io::Cursor::new([0xff, b'\n'])).is_err());
    }
}
