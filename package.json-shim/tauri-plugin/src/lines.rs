//! Bytes to messages. Each line is one JSON text.

use serde_json::Value;

/// The longest line that is accepted. The program never writes a longer one, so another program does.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// Puts lines together from pieces, which may end anywhere.
#[derive(Default)]
pub(crate) struct Lines {
    head: Vec<u8>,
    /// A line was too long: what follows is not kept.
    ended: bool,
}

impl Lines {
    /// Take a piece, and pass on the messages that it completes. False when a line is too long.
    pub(crate) fn take(&mut self, piece: &[u8], mut message: impl FnMut(Value)) -> bool {
        if self.ended {
            return false;
        }
        let mut parts = piece.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            self.head.extend_from_slice(part);
            if parts.peek().is_some() {
                if let Ok(value) = serde_json::from_slice(&self.head) {
                    message(value); // another line is no message of the program
                }
                self.head.clear();
            }
        }
        self.ended = self.head.len() > MOST_BYTES;
        if self.ended {
            self.head = Vec::new();
        }
        !self.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_may_be_cut_anywhere() {
        let text = "{\"a\":\"ä\u{2028}\"}\nnonsense\n\n[1]\n{\"b\"".as_bytes();
        for size in 1..=text.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for piece in text.chunks(size) {
                assert!(lines.take(piece, |message| found.push(message.to_string())));
            }
            assert_eq!(found, ["{\"a\":\"ä\u{2028}\"}", "[1]"]);
        }
    }
}
