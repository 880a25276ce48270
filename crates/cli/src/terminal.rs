//! The terminal: where answers are printed. Stored text is made harmless first, and a closed pipe ends the command
//! quietly.

use std::{
    fmt::{Display, Write as _},
    io::{self, IsTerminal as _, Write as _},
};

use serde::Serialize;

use crate::failure::Failure;

/// Prints a line as it is: what came from a server goes through [`harmless`] before.
pub(crate) fn say(text: impl Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Prints a value as one line of JSON.
pub(crate) fn say_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|cause| Failure::of(&cause))?;
    say(harmless_json(&text))
}

/// Colours for the standard output, where there are any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    colours: bool,
}

impl Paint {
    /// Colours only where a person looks on, and never against `NO_COLOR`.
    pub(crate) fn stdout() -> Self {
        let refused = tidings_config::variable("NO_COLOR").is_some();
        Self { colours: !refused && io::stdout().is_terminal() }
    }

    /// No colours.
    #[cfg(test)]
    pub(crate) const fn plain() -> Self {
        Self { colours: false }
    }

    pub(crate) fn bold(self, text: impl Display) -> String {
        self.painted("1", text)
    }

    pub(crate) fn faint(self, text: impl Display) -> String {
        self.painted("2", text)
    }

    pub(crate) fn green(self, text: impl Display) -> String {
        self.painted("32", text)
    }

    /// In a colour of its own, the same one wherever the name stands.
    pub(crate) fn name(self, name: impl Display) -> String {
        const COLOURS: [&str; 6] = ["31", "32", "33", "34", "35", "36"];
        let name = name.to_string();
        let sum =
            name.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        self.painted(COLOURS[sum % COLOURS.len()], name)
    }

    fn painted(self, code: &str, text: impl Display) -> String {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }
}

/// Says something beside the answer, on the error stream; nobody is missed there.
pub(crate) fn remark(text: impl Display) {
    let _closed = writeln!(io::stderr().lock(), "{text}");
}

/// Whether a terminal would act on a character, or show the characters around it in another order.
fn acts(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(letter, '\u{2028}' | '\u{2029}')
}

/// Text with nothing in it that a terminal acts on: control characters become `\u{…}`, line ends `\n`.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, letter| {
        if acts(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
        shown
    })
}

/// The same for JSON that is already written: the text keeps its meaning, for these characters stand only in strings.
fn harmless_json(json: &str) -> String {
    json.chars().fold(String::with_capacity(json.len()), |mut shown, letter| {
        if acts(letter) {
            let _infallible = write!(shown, "\\u{:04x}", u32::from(letter));
        } else {
            shown.push(letter);
        }
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_shown_instead() {
        assert_eq!(harmless("a\u{1b}[31mred\u{7}\nb"), "a\\u{1b}[31mred\\u{7}\\nb");
        assert_eq!(harmless("\u{9b}2J \u{202e}txt.exe"), "\\u{9b}2J \\u{202e}txt.exe");
        assert_eq!(harmless("Grüße, 世界 👋"), "Grüße, 世界 👋");
    }

    #[test]
    fn json_keeps_its_meaning() {
        let text = serde_json::to_string("\u{9b}2J\u{7f}\u{202e}ü").unwrap();
        let shown = harmless_json(&text);
        assert!(shown.is_ascii() || !shown.chars().any(acts), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), "\u{9b}2J\u{7f}\u{202e}ü");
    }
}
