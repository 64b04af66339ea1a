//! Rubbish in: what the fuzz target and its corpus test call.

use crate::Server;
use crate::message::HEADER;
use crate::sys::Scattered;

/// Feeds a server a script: `room[2] length[2] message[length]`, again and again, the last one cut where `script` ends.
/// The size of each message is set right where `room` is odd. Returns every byte that was replied.
///
/// # Panics
/// If a reply is not what is promised, whatever the request: its size within the room, said in its first four bytes, and
/// nothing written beyond.
pub fn run(server: &Server, mut script: &[u8]) -> Vec<u8> {
    let mut replies = Vec::new();
    let mut buffer = vec![0; usize::from(u16::MAX) + GUARD];
    while let Some((&[r0, r1, l0, l1], rest)) = script.split_first_chunk() {
        let room = usize::from(u16::from_le_bytes([r0, r1]));
        let length = usize::from(u16::from_le_bytes([l0, l1])).min(rest.len());
        let (message, rest) = rest.split_at(length);
        script = rest;
        let mut message = message.to_vec();
        if room % 2 == 1
            && let (Ok(size), Some(field)) = (u32::try_from(length), message.first_chunk_mut())
        {
            *field = size.to_le_bytes();
        }
        buffer[room..room + GUARD].fill(UNTOUCHED);
        let size = {
            // Pieces of many sizes, the first of them as long as the header of data.
            let mut pieces = Vec::new();
            let (mut left, mut piece) = (&mut buffer[..room], 11);
            while !left.is_empty() {
                let (first, others) = left.split_at_mut(piece.min(left.len()));
                pieces.push(first);
                left = others;
                piece = piece * 3 % 4093 + 1;
            }
            server.handle(&message, &mut Scattered::new(pieces).reply())
        };
        assert!(size <= room, "{size} bytes of {room}");
        assert!(buffer[room..room + GUARD].iter().all(|&b| b == UNTOUCHED));
        assert_eq!(size < HEADER, room < HEADER, "{size} bytes of {room}");
        if let Some(said) = buffer[..size].first_chunk() {
            assert_eq!(u32::from_le_bytes(*said) as usize, size);
        }
        replies.extend_from_slice(&buffer[..size]);
    }
    replies
}

const GUARD: usize = 8;
const UNTOUCHED: u8 = 0xa5;
