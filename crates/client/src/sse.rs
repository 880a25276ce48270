//! The event-stream format of the WHATWG HTML standard, read byte by byte as it arrives.
//!
//! A *block* is what a browser would dispatch: fields up to a blank line, with at least one `data:` line.
//! Lines end with LF, CR LF or CR; a chunk may end anywhere, between CR and LF or inside a character too.

/// The most bytes that one block, or one line of it, may have.
pub const MAX_BLOCK_BYTES: usize = 4 << 20;

/// One dispatched event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The `event:` field; `message` where there was none.
    pub event: String,
    /// The `data:` lines, joined with LF.
    pub data: String,
    /// The `id:` that this block brought itself.
    pub id: Option<String>,
}

/// A block or line that is longer than [`MAX_BLOCK_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event has more than {MAX_BLOCK_BYTES} bytes")]
pub struct TooLong;

/// Reads a stream, chunk after chunk.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    after_cr: bool,
    past_first_line: bool,
    event: String,
    data: String,
    has_data: bool,
    id: Option<String>,
    last_event_id: String,
    retry_ms: Option<u64>,
}

impl Parser {
    /// Takes a chunk and adds the blocks that it completed.
    pub fn push(&mut self, chunk: &[u8], blocks: &mut impl Extend<Block>) -> Result<(), TooLong> {
        for &byte in chunk {
            let second_half = std::mem::replace(&mut self.after_cr, byte == b'\r') && byte == b'\n';
            if second_half {
                continue;
            }
            if byte == b'\n' || byte == b'\r' {
                let line = std::mem::take(&mut self.line);
                blocks.extend(self.end_line(&line));
                self.line = line;
                self.line.clear();
            } else {
                self.line.push(byte);
            }
            if self.line.len() + self.data.len() > MAX_BLOCK_BYTES {
                return Err(TooLong);
            }
        }
        Ok(())
    }

    /// The id that the next connection sends as `Last-Event-ID`: the last that any complete block brought.
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// The last `retry:` in milliseconds.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
    }

    fn end_line(&mut self, line: &[u8]) -> Option<Block> {
        let first = !std::mem::replace(&mut self.past_first_line, true);
        let line = if first { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        if line.is_empty() {
            return self.dispatch();
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(value);
            }
            "event" => value.clone_into(&mut self.event),
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry_ms = value.parse().ok();
            }
            _comment_or_unknown => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Block> {
        // An id counts even if its block has no data.
        let id = self.id.take();
        if let Some(id) = &id {
            self.last_event_id.clone_from(id);
        }
        let event = std::mem::take(&mut self.event);
        let data = std::mem::take(&mut self.data);
        if !std::mem::take(&mut self.has_data) {
            return None;
        }
        let event = if event.is_empty() { "message".to_owned() } else { event };
        Some(Block { event, data, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&[u8]]) -> (Parser, Vec<Block>) {
        let (mut parser, mut blocks) = (Parser::default(), Vec::new());
        for chunk in chunks {
            parser.push(chunk, &mut blocks).unwrap();
        }
        (parser, blocks)
    }

    fn block(event: &str, data: &str, id: Option<&str>) -> Block {
        Block { event: event.to_owned(), data: data.to_owned(), id: id.map(str::to_owned) }
    }

    #[test]
    fn a_block_is_the_same_wherever_the_stream_is_split_and_however_its_lines_end() {
        let text = "\u{feff}id: 7\nevent: note\ndata: grüße\ndata: zwei\n\n: hb\n\nretry: 2500\nevent: ready\ndata:{}\n\n";
        let wanted = vec![block("note", "grüße\nzwei", Some("7")), block("ready", "{}", None)];
        for ending in ["\n", "\r\n", "\r"] {
            let bytes = text.replace('\n', ending).into_bytes();
            for split in 0..bytes.len() {
                let (head, tail) = bytes.split_at(split);
                let (parser, blocks) = read(&[head, tail]);
                assert_eq!(blocks, wanted, "{ending:?} split at {split}");
                assert_eq!((parser.last_event_id(), parser.retry_ms()), ("7", Some(2500)));
            }
        }
    }

    #[test]
    fn a_stream_that_comes_byte_by_byte_reads_the_same() {
        let bytes: Vec<&[u8]> = b"data: a\r\n\r\ndata: b\r\n\r\n".chunks(1).collect();
        assert_eq!(read(&bytes).1, [block("message", "a", None), block("message", "b", None)]);
    }

    #[test]
    fn an_unfinished_block_is_not_dispatched_and_does_not_move_the_cursor() {
        let (parser, blocks) = read(&[b"id: 1\ndata: a\n\nid: 2\ndata: b\n"]);
        assert_eq!(blocks, [block("message", "a", Some("1"))]);
        assert_eq!(parser.last_event_id(), "1");
    }

    #[test]
    fn a_block_without_data_is_not_dispatched_but_its_id_counts() {
        let (parser, blocks) = read(&[b"id: 9\nevent: x\n\ndata\n\n"]);
        assert_eq!(blocks, [block("message", "", None)]);
        assert_eq!(parser.last_event_id(), "9");
    }

    #[test]
    fn an_id_with_nul_and_a_retry_with_letters_are_passed_over() {
        let (parser, blocks) = read(&[b"id: 1\ndata: a\n\nid: 2\0\nretry: 1s\nretry:\ndata: b\n\n"]);
        assert_eq!(blocks[1], block("message", "b", None));
        assert_eq!((parser.last_event_id(), parser.retry_ms()), ("1", None));
    }

    #[test]
    fn one_space_after_the_colon_is_removed_and_no_more() {
        assert_eq!(read(&[b"data:  a \ndata:b:c\n\n"]).1, [block("message", " a \nb:c", None)]);
    }

    #[test]
    fn a_line_without_an_end_is_given_up() {
        let (mut parser, mut blocks) = (Parser::default(), Vec::<Block>::new());
        assert_eq!(parser.push(&vec![b'x'; MAX_BLOCK_BYTES], &mut blocks), Ok(()));
        assert_eq!(parser.push(b"x", &mut blocks), Err(TooLong));
    }
}
