//! The words of a program that come to people by way of this one.

use std::io::Write;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::redact;

/// So many bytes are kept of a line that has no end yet.
const LONGEST: usize = 64 << 10;

/// Passes what comes from `said` on to `to`, without logins, as soon as a line is whole. A line that is drawn anew,
/// as those of progress, ends with a carriage return.
pub(crate) async fn relay(mut said: impl AsyncRead + Unpin, mut to: impl Write) {
    let mut held: Vec<u8> = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let length = said.read(&mut buffer).await.unwrap_or(0);
        held.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let end = held.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')).map_or(0, |at| at + 1);
        let end = if length == 0 || held.len() > LONGEST { held.len() } else { end };
        let text: Vec<u8> = held.drain(..end).collect();
        let clean = redact::clean(&String::from_utf8_lossy(&text)).into_owned();
        // Words that nobody reads are no reason to end.
        let _ = to.write_all(clean.as_bytes()).and_then(|()| to.flush());
        if length == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn logins_are_left_out_and_all_else_is_kept() {
        let said =
            b"\x1b[32mUpdating\x1b[0m git repository `https://me:hunter2@h.io/x`\n 1/2\r 2/2\rend \xff"
                .to_vec();
        let mut shown = Vec::new();
        relay(&said[..], &mut shown).await;
        let shown = String::from_utf8(shown).expect("text");
        assert_eq!(
            shown,
            "\x1b[32mUpdating\x1b[0m git repository `https://h.io/x`\n 1/2\r 2/2\rend \u{fffd}"
        );
    }

    #[tokio::test]
    async fn a_login_is_known_though_it_comes_in_parts() {
        let (reader, mut writer) = tokio::io::duplex(64);
        let write = async move {
            for part in ["see https://me:hun", "ter2@h.io/x\n", &"y".repeat(2 * LONGEST)] {
                tokio::io::AsyncWriteExt::write_all(&mut writer, part.as_bytes()).await.expect("written");
            }
        };
        let mut shown = Vec::new();
        tokio::join!(relay(reader, &mut shown), write);
        assert!(shown.starts_with(b"see https://h.io/x\ny"), "{:?}", String::from_utf8_lossy(&shown[..40]));
        assert_eq!(shown.len(), "see https://h.io/x\n".len() + 2 * LONGEST);
    }
}
