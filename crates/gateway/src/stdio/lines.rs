//! Lines of a process, one at a time and none without limit.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// Reads lines that end with a line feed; what stands after the last one is a line, too.
#[derive(Debug)]
pub(super) struct Lines<R> {
    source: R,
    longest: usize,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// Lines of at most `longest` bytes.
    pub(super) const fn new(source: R, longest: usize) -> Self {
        Self { source, longest }
    }

    /// The next line without its end; `None` when there are no more.
    ///
    /// # Errors
    /// When it is too long ([`io::ErrorKind::FileTooLarge`]), or cannot be read.
    pub(super) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        loop {
            let read = self.source.fill_buf().await?;
            if read.is_empty() {
                return Ok((!line.is_empty()).then_some(line));
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let (part, used) =
                end.map_or((read, read.len()), |end| (read.get(..end).unwrap_or(read), end + 1));
            if line.len() + part.len() > self.longest {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            line.extend_from_slice(part);
            self.source.consume(used);
            if end.is_some() {
                return Ok(Some(line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    #[tokio::test]
    async fn lines_are_told_apart_whatever_comes_at_once() {
        let text = &b"one\ntwo and more\n\nlast"[..];
        for size in [1, 3, 64] {
            let mut lines = Lines::new(BufReader::with_capacity(size, text), 12);
            for expected in ["one", "two and more", "", "last"] {
                assert_eq!(lines.next().await.unwrap().unwrap(), expected.as_bytes());
            }
            assert_eq!(lines.next().await.unwrap(), None);
        }
        let mut lines = Lines::new(BufReader::new(text), 11);
        lines.next().await.unwrap();
        assert_eq!(lines.next().await.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
