//! A small client: what Linux sends, and what it never would.
#![allow(dead_code, reason = "each test program uses a part of it")]

use ninep::{Limits, Reply, Server};
use std::path::Path;

pub const EPERM: i32 = 1;
pub const ENOENT: i32 = 2;
pub const ENXIO: i32 = 6;
pub const EBADF: i32 = 9;
pub const EACCES: i32 = 13;
pub const EBUSY: i32 = 16;
pub const ENOTDIR: i32 = 20;
pub const EISDIR: i32 = 21;
pub const EINVAL: i32 = 22;
pub const ENFILE: i32 = 23;
pub const EMFILE: i32 = 24;
pub const EROFS: i32 = 30;
pub const ENAMETOOLONG: i32 = 36;
pub const ELOOP: i32 = 40;
pub const ENODATA: i32 = 61;
pub const EPROTO: i32 = 71;
pub const EMSGSIZE: i32 = 90;
pub const EOPNOTSUPP: i32 = 95;
pub const ESTALE: i32 = 116;

pub const NO_FID: u32 = u32::MAX;
pub const ROOT: u32 = 0;

/// `type version path`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Qid {
    pub kind: u8,
    pub version: u32,
    pub path: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attr {
    pub valid: u64,
    pub qid: Qid,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub nlink: u64,
    pub rdev: u64,
    pub size: u64,
    pub blksize: u64,
    pub blocks: u64,
    /// atime, mtime, ctime, btime.
    pub times: [(u64, u64); 4],
    pub gen_and_data_version: (u64, u64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub qid: Qid,
    pub offset: u64,
    pub kind: u8,
    pub name: Vec<u8>,
}

pub struct Client {
    pub server: Server,
    room: usize,
}

/// A message with its header.
pub fn message(kind: u8, tag: u16, fields: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(7 + fields.len())
        .unwrap()
        .to_le_bytes()
        .to_vec();
    bytes.push(kind);
    bytes.extend_from_slice(&tag.to_le_bytes());
    bytes.extend_from_slice(fields);
    bytes
}

/// Fields of a message, one after another.
#[derive(Default)]
pub struct Fields(pub Vec<u8>);

impl Fields {
    pub fn new() -> Self {
        Self::default()
    }
    pub fn u8(mut self, v: u8) -> Self {
        self.0.push(v);
        self
    }
    pub fn u16(mut self, v: u16) -> Self {
        self.0.extend_from_slice(&v.to_le_bytes());
        self
    }
    pub fn u32(mut self, v: u32) -> Self {
        self.0.extend_from_slice(&v.to_le_bytes());
        self
    }
    pub fn u64(mut self, v: u64) -> Self {
        self.0.extend_from_slice(&v.to_le_bytes());
        self
    }
    pub fn string(self, v: &[u8]) -> Self {
        let mut s = self.u16(u16::try_from(v.len()).unwrap());
        s.0.extend_from_slice(v);
        s
    }
}

/// Takes fields off the front.
pub struct Taker<'a>(pub &'a [u8]);

impl<'a> Taker<'a> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (first, rest) = self.0.split_first_chunk().unwrap();
        self.0 = rest;
        *first
    }
    pub fn u8(&mut self) -> u8 {
        self.take::<1>()[0]
    }
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }
    pub fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }
    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
    pub fn string(&mut self) -> &'a [u8] {
        let length = usize::from(self.u16());
        self.bytes(length)
    }
    pub fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (first, rest) = self.0.split_at(length);
        self.0 = rest;
        first
    }
    pub fn qid(&mut self) -> Qid {
        Qid {
            kind: self.u8(),
            version: self.u32(),
            path: self.u64(),
        }
    }
    pub fn end(self) {
        assert!(self.0.is_empty(), "{:?} is left", self.0);
    }
}

impl Client {
    /// A client that has agreed on the version and has the root as [`ROOT`].
    pub fn new(root: &Path) -> Self {
        Self::with(root, Limits::default(), 512_000)
    }

    pub fn with(root: &Path, limits: Limits, message_size: u32) -> Self {
        let client = Self::silent(root, limits);
        client.version(message_size, b"9P2000.L").unwrap();
        client.attach(ROOT).unwrap();
        client
    }

    /// A client that has not said anything yet.
    pub fn silent(root: &Path, limits: Limits) -> Self {
        Self {
            server: Server::new(root, limits).unwrap(),
            room: 520_000,
        }
    }

    /// Sends a message and returns the fields of its reply, or the error.
    pub fn call(&self, kind: u8, fields: &[u8]) -> Result<Vec<u8>, i32> {
        self.call_in(kind, fields, self.room)
    }

    pub fn call_in(&self, kind: u8, fields: &[u8], room: usize) -> Result<Vec<u8>, i32> {
        let tag = 0x0b0a;
        let mut reply = vec![0; room];
        let size = self.server.handle(
            &message(kind, tag, fields),
            &mut Reply::from_slice(&mut reply),
        );
        assert!(size >= 7, "a reply of {size} bytes");
        let mut taker = Taker(&reply[..size]);
        assert_eq!(taker.u32() as usize, size);
        let reply_kind = taker.u8();
        assert_eq!(taker.u16(), tag);
        if reply_kind == 7 {
            let error = taker.u32().cast_signed();
            taker.end();
            return Err(error);
        }
        assert_eq!(reply_kind, kind + 1);
        Ok(taker.0.to_vec())
    }

    pub fn version(&self, size: u32, version: &[u8]) -> Result<(u32, Vec<u8>), i32> {
        let fields = Fields::new().u32(size).string(version).0;
        self.call(100, &fields).map(|reply| {
            let mut t = Taker(&reply);
            let result = (t.u32(), t.string().to_vec());
            t.end();
            result
        })
    }

    pub fn attach(&self, fid: u32) -> Result<Qid, i32> {
        let fields = Fields::new()
            .u32(fid)
            .u32(NO_FID)
            .string(b"someone")
            .string(b"/")
            .u32(0);
        self.call(104, &fields.0).map(|reply| Taker(&reply).qid())
    }

    /// The qids of the steps taken.
    pub fn walk(&self, fid: u32, new: u32, names: &[&[u8]]) -> Result<Vec<Qid>, i32> {
        let mut fields = Fields::new()
            .u32(fid)
            .u32(new)
            .u16(u16::try_from(names.len()).unwrap());
        for name in names {
            fields = fields.string(name);
        }
        self.call(110, &fields.0).map(|reply| {
            let mut t = Taker(&reply);
            let qids = (0..t.u16()).map(|_| t.qid()).collect();
            t.end();
            qids
        })
    }

    /// Walks a path of any length from the root, one name at a time.
    pub fn go(&self, new: u32, path: &str) -> Result<(), i32> {
        self.walk(ROOT, new, &[])?;
        for name in path.split('/') {
            if let Err(error) = self.walk(new, new, &[name.as_bytes()]) {
                self.clunk(new).unwrap();
                return Err(error);
            }
        }
        Ok(())
    }

    pub fn open(&self, fid: u32, flags: u32) -> Result<(Qid, u32), i32> {
        let fields = Fields::new().u32(fid).u32(flags).0;
        self.call(12, &fields).map(|reply| {
            let mut t = Taker(&reply);
            let result = (t.qid(), t.u32());
            t.end();
            result
        })
    }

    fn data(&self, kind: u8, fid: u32, offset: u64, count: u32) -> Result<Vec<u8>, i32> {
        let fields = Fields::new().u32(fid).u64(offset).u32(count).0;
        self.call(kind, &fields).map(|reply| {
            let mut t = Taker(&reply);
            let size = t.u32();
            assert!(size <= count);
            let data = t.bytes(size as usize).to_vec();
            t.end();
            data
        })
    }

    pub fn read(&self, fid: u32, offset: u64, count: u32) -> Result<Vec<u8>, i32> {
        self.data(116, fid, offset, count)
    }

    /// The whole content of a file by its path; uses the fid 900.
    pub fn content(&self, path: &str) -> Result<Vec<u8>, i32> {
        self.go(900, path)?;
        let result = self.open(900, 0).and_then(|_| self.read_all(900));
        self.clunk(900).unwrap();
        result
    }

    pub fn read_all(&self, fid: u32) -> Result<Vec<u8>, i32> {
        let mut all = Vec::new();
        loop {
            let part = self.read(fid, all.len() as u64, 100_000)?;
            if part.is_empty() {
                return Ok(all);
            }
            all.extend_from_slice(&part);
        }
    }

    pub fn entries(&self, fid: u32, offset: u64, count: u32) -> Result<Vec<Entry>, i32> {
        let data = self.data(40, fid, offset, count)?;
        let mut t = Taker(&data);
        let mut entries = Vec::new();
        while !t.0.is_empty() {
            entries.push(Entry {
                qid: t.qid(),
                offset: t.u64(),
                kind: t.u8(),
                name: t.string().to_vec(),
            });
        }
        Ok(entries)
    }

    /// All entries, asked for in pieces of `count` bytes.
    pub fn list(&self, fid: u32, count: u32) -> Result<Vec<Entry>, i32> {
        let mut all: Vec<Entry> = Vec::new();
        loop {
            let part = self.entries(fid, all.last().map_or(0, |e| e.offset), count)?;
            if part.is_empty() {
                return Ok(all);
            }
            all.extend(part);
        }
    }

    pub fn attr(&self, fid: u32) -> Result<Attr, i32> {
        let reply = self.call(24, &Fields::new().u32(fid).u64(0x3fff).0)?;
        let mut t = Taker(&reply);
        let attr = Attr {
            valid: t.u64(),
            qid: t.qid(),
            mode: t.u32(),
            uid: t.u32(),
            gid: t.u32(),
            nlink: t.u64(),
            rdev: t.u64(),
            size: t.u64(),
            blksize: t.u64(),
            blocks: t.u64(),
            times: std::array::from_fn(|_| (t.u64(), t.u64())),
            gen_and_data_version: (t.u64(), t.u64()),
        };
        t.end();
        Ok(attr)
    }

    pub fn readlink(&self, fid: u32) -> Result<Vec<u8>, i32> {
        let reply = self.call(22, &Fields::new().u32(fid).0)?;
        let mut t = Taker(&reply);
        let text = t.string().to_vec();
        t.end();
        Ok(text)
    }

    /// The size of the attribute.
    pub fn xattr(&self, fid: u32, new: u32, name: &[u8]) -> Result<u64, i32> {
        let fields = Fields::new().u32(fid).u32(new).string(name).0;
        self.call(30, &fields).map(|reply| Taker(&reply).u64())
    }

    pub fn clunk(&self, fid: u32) -> Result<(), i32> {
        let reply = self.call(120, &Fields::new().u32(fid).0)?;
        assert!(reply.is_empty());
        Ok(())
    }
}
