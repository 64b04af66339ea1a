//! The messages: requests borrowed from the bytes they came in, replies built on the stack.
//!
//! The client chooses every byte. A request that changes something has no form here: it is [`Request::Mutating`] by its
//! type, and its fields are never read, so that its data need not be there.
//!
//! `size[4] type[1] tag[2]` and then fields; integers are little-endian, strings are `length[2]` and bytes.

use crate::qid::Qid;
use rustix::io::Errno;

/// `size[4] type[1] tag[2]`.
pub(crate) const HEADER: usize = 7;
/// Header and count of `Rread` and `Rreaddir`, and the whole of `Rlerror` (`P9_ZC_HDR_SZ` and its use in
/// `net/9p/client.c` rely on both being 11).
pub(crate) const DATA_HEADER: usize = 11;
/// The tag of `Tversion`, and of the answer to a message too short to have one.
pub(crate) const NO_TAG: u16 = u16::MAX;
/// No fid (`P9_NOFID`).
pub(crate) const NO_FID: u32 = u32::MAX;
/// The only protocol spoken here.
pub(crate) const VERSION: &[u8] = b"9P2000.L";
/// Names in one walk (`P9_MAXWELEM`).
pub(crate) const MAX_NAMES: usize = 16;

/// `Rlerror`; every other reply is its request plus one.
pub(crate) const RLERROR: u8 = 7;
pub(crate) const TFLUSH: u8 = 108;
pub(crate) const TREAD: u8 = 116;
pub(crate) const TREADDIR: u8 = 40;

/// What comes before the fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Of the whole message, in bytes.
    pub size: u32,
    pub kind: u8,
    pub tag: u16,
}

impl Header {
    /// None where there are fewer than seven bytes.
    pub fn decode(message: &[u8]) -> Option<Self> {
        let mut fields = Fields(message);
        Some(Self {
            size: fields.u32().ok()?,
            kind: fields.u8().ok()?,
            tag: fields.u16().ok()?,
        })
    }
}

/// A request that this server may carry out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    Version {
        message_size: u32,
        version: &'a [u8],
    },
    Attach {
        fid: u32,
        auth: u32,
    },
    Flush,
    Walk {
        fid: u32,
        new_fid: u32,
        names: Names<'a>,
    },
    Open {
        fid: u32,
        flags: u32,
    },
    Read {
        fid: u32,
        offset: u64,
        count: u32,
    },
    ReadDir {
        fid: u32,
        offset: u64,
        count: u32,
    },
    GetAttr {
        fid: u32,
    },
    StatFs {
        fid: u32,
    },
    ReadLink {
        fid: u32,
    },
    XattrWalk {
        fid: u32,
        new_fid: u32,
        name: &'a [u8],
    },
    Lock {
        fid: u32,
        kind: u8,
    },
    GetLock {
        fid: u32,
        start: u64,
        length: u64,
        process: u32,
        client: &'a [u8],
    },
    Sync {
        fid: u32,
    },
    Clunk {
        fid: u32,
    },
    /// Refused, and yet the fid is gone afterwards (`Tremove`, remove(5)).
    Remove {
        fid: u32,
    },
    /// Would change the host.
    Mutating,
    /// Not of this protocol, or `Tauth`: nobody is asked who they are.
    Unsupported,
}

impl<'a> Request<'a> {
    /// Decodes the message that starts at `message`, which may be followed by anything.
    ///
    /// # Errors
    /// `EPROTO` where a field is cut, or the message is shorter than it says, unless its type says all.
    pub fn decode(header: Header, message: &'a [u8]) -> Result<Self, Errno> {
        match header.kind {
            // lcreate, symlink, mknod, rename, setattr, xattrcreate, link, mkdir, renameat, unlinkat, write
            14 | 16 | 18 | 20 | 26 | 32 | 70 | 72 | 74 | 76 | 118 => return Ok(Self::Mutating),
            8 | 12 | 22 | 24 | 30 | TREADDIR | 50 | 52 | 54 | 100 | 104 | TFLUSH | 110 | TREAD
            | 120 | 122 => {}
            _ => return Ok(Self::Unsupported),
        }
        let size = usize::try_from(header.size).map_err(|_| Errno::PROTO)?;
        let fields = message.get(HEADER..size).ok_or(Errno::PROTO)?;
        let mut fields = Fields(fields);
        let f = &mut fields;
        Ok(match header.kind {
            8 => Self::StatFs { fid: f.u32()? },
            12 => Self::Open {
                fid: f.u32()?,
                flags: f.u32()?,
            },
            22 => Self::ReadLink { fid: f.u32()? },
            24 => Self::GetAttr { fid: f.u32()? },
            30 => Self::XattrWalk {
                fid: f.u32()?,
                new_fid: f.u32()?,
                name: f.string()?,
            },
            TREADDIR => Self::ReadDir {
                fid: f.u32()?,
                offset: f.u64()?,
                count: f.u32()?,
            },
            50 => Self::Sync { fid: f.u32()? },
            52 => Self::Lock {
                fid: f.u32()?,
                kind: f.u8()?,
            },
            54 => {
                let fid = f.u32()?;
                let _kind = f.u8()?;
                Self::GetLock {
                    fid,
                    start: f.u64()?,
                    length: f.u64()?,
                    process: f.u32()?,
                    client: f.string()?,
                }
            }
            100 => Self::Version {
                message_size: f.u32()?,
                version: f.string()?,
            },
            104 => Self::Attach {
                fid: f.u32()?,
                auth: f.u32()?,
            },
            TFLUSH => Self::Flush,
            110 => Self::Walk {
                fid: f.u32()?,
                new_fid: f.u32()?,
                names: Names::decode(f)?,
            },
            TREAD => Self::Read {
                fid: f.u32()?,
                offset: f.u64()?,
                count: f.u32()?,
            },
            120 => Self::Clunk { fid: f.u32()? },
            122 => Self::Remove { fid: f.u32()? },
            _ => Self::Unsupported,
        })
    }
}

/// The tag that a `Tflush` asks about; none for other messages.
pub(crate) fn flushed_tag(message: &[u8]) -> Option<u16> {
    let header = Header::decode(message)?;
    (header.kind == TFLUSH)
        .then(|| Fields(&message[HEADER..]).u16().ok())
        .flatten()
}

/// The names of one walk, all there and not yet looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names<'a> {
    left: usize,
    fields: Fields<'a>,
}

impl<'a> Names<'a> {
    fn decode(fields: &mut Fields<'a>) -> Result<Self, Errno> {
        let left = usize::from(fields.u16()?);
        if left > MAX_NAMES {
            return Err(Errno::INVAL);
        }
        let names = Self {
            left,
            fields: fields.clone(),
        };
        for _ in 0..left {
            fields.string()?;
        }
        Ok(names)
    }
}

impl<'a> Iterator for Names<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        self.fields.string().ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Names<'_> {}

/// The bytes that have not been decoded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Errno> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Errno::PROTO)?;
        self.0 = rest;
        Ok(*array)
    }

    fn u8(&mut self) -> Result<u8, Errno> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, Errno> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Errno> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Errno> {
        self.array().map(u64::from_le_bytes)
    }

    fn string(&mut self) -> Result<&'a [u8], Errno> {
        let length = usize::from(self.u16()?);
        let (string, rest) = self.0.split_at_checked(length).ok_or(Errno::PROTO)?;
        self.0 = rest;
        Ok(string)
    }
}

/// A reply under construction: everything but a long string at its end, which is written after it.
#[derive(Debug)]
pub(crate) struct Body {
    bytes: [u8; Self::ROOM],
    len: usize,
}

impl Body {
    /// The longest is `Rwalk` with sixteen qids.
    const ROOM: usize = HEADER + 2 + MAX_NAMES * Qid::SIZE;

    pub fn new() -> Self {
        Self {
            bytes: [0; Self::ROOM],
            len: HEADER,
        }
    }

    /// Appends bytes; no reply has more than there is room for.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
        self
    }

    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.bytes(&[value])
    }

    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub fn qid(&mut self, qid: Qid) -> &mut Self {
        self.bytes(&qid.encode())
    }

    /// What was appended so far.
    pub fn fields(&self) -> &[u8] {
        &self.bytes[HEADER..self.len]
    }

    /// The message so far, its header saying that `more` bytes follow.
    pub fn finish(&mut self, kind: u8, tag: u16, more: usize) -> &[u8] {
        let size = u32::try_from(self.len + more).expect("a reply is at most 512,000 bytes");
        self.bytes[..4].copy_from_slice(&size.to_le_bytes());
        self.bytes[4] = kind;
        self.bytes[5..HEADER].copy_from_slice(&tag.to_le_bytes());
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, fields: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(HEADER + fields.len())
            .unwrap()
            .to_le_bytes()
            .to_vec();
        bytes.push(kind);
        bytes.extend_from_slice(&[0x34, 0x12]);
        bytes.extend_from_slice(fields);
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Request<'_>, Errno> {
        Request::decode(Header::decode(bytes).unwrap(), bytes)
    }

    #[test]
    fn a_walk_borrows_its_names() {
        let bytes = message(110, b"\x01\0\0\0\x02\0\0\0\x02\0\x03\0usr\x04\0l\xffb\x00");
        let header = Header::decode(&bytes).unwrap();
        assert_eq!((header.kind, header.tag), (110, 0x1234));
        let Ok(Request::Walk {
            fid: 1,
            new_fid: 2,
            names,
        }) = Request::decode(header, &bytes)
        else {
            panic!("{bytes:?}")
        };
        assert_eq!(names.len(), 2);
        assert!(names.eq([&b"usr"[..], b"l\xffb\0"]));
    }

    #[test]
    fn every_cut_of_every_request_is_refused() {
        let whole = [
            message(8, &[0; 4]),
            message(12, &[0; 8]),
            message(22, &[0; 4]),
            message(24, &[0; 4]),
            message(30, b"\0\0\0\0\0\0\0\0\x02\0ab"),
            message(40, &[0; 16]),
            message(50, &[0; 4]),
            message(52, &[0; 5]),
            message(
                54,
                b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0x",
            ),
            message(100, b"\0\0\0\0\x01\0x"),
            message(104, &[0; 8]),
            message(110, b"\0\0\0\0\0\0\0\0\x01\0\x01\0x"),
            message(116, &[0; 16]),
            message(120, &[0; 4]),
            message(122, &[0; 4]),
        ];
        for mut bytes in whole {
            assert!(decode(&bytes).is_ok(), "{bytes:?}");
            bytes.push(7);
            assert!(decode(&bytes).is_ok(), "what follows is not looked at");
            bytes.pop();
            for cut in HEADER..bytes.len() {
                assert_eq!(decode(&bytes[..cut]), Err(Errno::PROTO), "{bytes:?}");
                let mut shorter = bytes.clone();
                shorter[0] = u8::try_from(cut).unwrap();
                assert_eq!(decode(&shorter), Err(Errno::PROTO), "{shorter:?}");
            }
        }
    }

    #[test]
    fn sizes_below_a_header_and_beyond_the_message_are_refused() {
        for size in [0, 6, 12, u32::MAX] {
            let mut bytes = message(120, &[0; 4]);
            bytes[..4].copy_from_slice(&size.to_le_bytes());
            assert_eq!(decode(&bytes), Err(Errno::PROTO), "{size}");
        }
    }

    #[test]
    fn more_than_sixteen_names_are_refused() {
        let mut fields = vec![0; 8];
        fields.extend_from_slice(&[17, 0]);
        fields.extend_from_slice(&[1, 0, b'a'].repeat(17));
        assert_eq!(decode(&message(110, &fields)), Err(Errno::INVAL));
    }

    #[test]
    fn what_changes_something_is_known_by_its_type() {
        for kind in [14, 16, 18, 20, 26, 32, 70, 72, 74, 76, 118] {
            let mut bytes = message(kind, &[]);
            bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
            assert_eq!(decode(&bytes), Ok(Request::Mutating));
        }
        for kind in [0, 6, 7, 9, 102, 106, 112, 114, 124, 126, 255] {
            assert_eq!(decode(&message(kind, &[])), Ok(Request::Unsupported));
        }
    }

    #[test]
    fn flushed_tags_are_found() {
        assert_eq!(flushed_tag(&message(108, &[3, 1])), Some(0x103));
        assert_eq!(flushed_tag(&message(108, &[3])), None);
        assert_eq!(flushed_tag(&message(120, &[3, 1])), None);
        assert_eq!(flushed_tag(&[]), None);
    }

    #[test]
    fn a_body_says_its_size() {
        let mut body = Body::new();
        body.u8(1).u16(2).u32(3).u64(4);
        assert_eq!(
            body.finish(9, 0x0605, 2),
            [
                24, 0, 0, 0, 9, 5, 6, 1, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0
            ]
        );
    }
}
