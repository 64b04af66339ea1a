//! Framing: `u32` little-endian length of the body, then the body, one postcard-encoded message.

use serde::{Serialize, de::DeserializeOwned};
use std::fmt;

/// Longest frame body either side may send, in bytes. Longer lengths are a protocol error, found before
/// anything is allocated for them.
pub const MAX_FRAME: usize = 256 * 1024;

const HEADER: usize = 4;

/// Why a stream of bytes is not a stream of frames. After any of these the stream cannot be trusted again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameError {
    /// A frame claims this many bytes, more than [`MAX_FRAME`].
    TooLong(usize),
    /// The body is not a message of this protocol's version.
    Malformed(postcard::Error),
    /// The body holds a message and then this many more bytes.
    TrailingBytes(usize),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(n) => write!(f, "a frame of {n} bytes is over the limit of {MAX_FRAME}"),
            Self::Malformed(e) => write!(f, "a frame does not decode: {e}"),
            Self::TrailingBytes(n) => write!(f, "a frame has {n} bytes after its message"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Encodes `message` as one frame, header included.
///
/// # Errors
/// [`FrameError::TooLong`] when the body would exceed [`MAX_FRAME`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = postcard::to_extend(message, vec![0; HEADER]).map_err(FrameError::Malformed)?;
    let body = frame.len() - HEADER;
    if body > MAX_FRAME {
        return Err(FrameError::TooLong(body));
    }
    let length = u32::try_from(body).expect("MAX_FRAME fits in u32");
    frame[..HEADER].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// Cuts a byte stream, arriving in pieces of any size, into messages.
///
/// It holds at most one incomplete frame plus whatever was pushed and not yet taken.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
}

impl Decoder {
    /// An empty decoder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes as they came from the port.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the next whole message, or `None` until more bytes come.
    ///
    /// # Errors
    /// Any [`FrameError`]; the stream is then out of step for good.
    pub fn next_message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let pending = &self.buffer[self.start..];
        let Some((header, rest)) = pending.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*header) as usize;
        if length > MAX_FRAME {
            return Err(FrameError::TooLong(length));
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let (message, left) = postcard::take_from_bytes(body).map_err(FrameError::Malformed)?;
        if !left.is_empty() {
            return Err(FrameError::TrailingBytes(left.len()));
        }
        self.start += HEADER + length;
        Ok(Some(message))
    }

    /// Whether bytes of an unfinished frame are waiting: true at end of stream means the peer was cut off.
    #[must_use]
    pub fn has_partial(&self) -> bool {
        self.start < self.buffer.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GuestMessage, HostMessage, Stream};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_cut_of_the_stream_gives_the_same_messages(
            outputs in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
            cut in 1usize..64,
        ) {
            let sent: Vec<GuestMessage> = outputs
                .into_iter()
                .map(|data| GuestMessage::Output { test: 7, stream: Stream::Stdout, data })
                .collect();
            let bytes: Vec<u8> = sent.iter().flat_map(|m| encode(m).expect("short")).collect();
            let mut decoder = Decoder::new();
            let mut got = Vec::new();
            for piece in bytes.chunks(cut) {
                decoder.push(piece);
                while let Some(m) = decoder.next_message::<GuestMessage>().expect("valid stream") {
                    got.push(m);
                }
            }
            prop_assert_eq!(got, sent);
            prop_assert!(!decoder.has_partial());
        }

        #[test]
        fn rubbish_never_panics_and_never_allocates_for_its_claims(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
            let mut decoder = Decoder::new();
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.next_message::<GuestMessage>() {}
            let mut decoder = Decoder::new();
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.next_message::<HostMessage>() {}
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_the_body_comes() {
        let mut decoder = Decoder::new();
        decoder.push(&u32::MAX.to_le_bytes());
        assert_eq!(
            decoder.next_message::<GuestMessage>(),
            Err(FrameError::TooLong(u32::MAX as usize))
        );
    }

    #[test]
    fn bytes_after_a_message_are_an_error() {
        let mut frame = encode(&HostMessage::Ping(3)).expect("short");
        frame.push(0);
        let body = u32::try_from(frame.len() - HEADER).expect("short");
        frame[..HEADER].copy_from_slice(&body.to_le_bytes());
        let mut decoder = Decoder::new();
        decoder.push(&frame);
        assert_eq!(
            decoder.next_message::<HostMessage>(),
            Err(FrameError::TrailingBytes(1))
        );
    }

    #[test]
    fn a_message_over_the_limit_is_not_sent() {
        let message = GuestMessage::Output {
            test: 0,
            stream: Stream::Stderr,
            data: vec![0; MAX_FRAME + 1],
        };
        assert!(matches!(encode(&message), Err(FrameError::TooLong(_))));
    }
}
