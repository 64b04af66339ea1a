//! Small images and modules made for tests, and the real ones of this machine.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Sectors of setup code in [`bzimage`], besides the first.
pub const SETUP_SECTS: u8 = 3;

pub fn put16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

pub fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// A bzImage of protocol 2.15 with `payload` as its packed kernel.
pub fn bzimage(release: &str, payload: &[u8]) -> Vec<u8> {
    let setup = (usize::from(SETUP_SECTS) + 1) * 512;
    let paragraphs = (0x100 + payload.len()).div_ceil(16);
    let mut image = vec![0; setup + paragraphs * 16];
    image[0..2].copy_from_slice(b"MZ");
    image[0x1F1] = SETUP_SECTS;
    put32(&mut image, 0x1F4, u32::try_from(paragraphs).unwrap());
    put16(&mut image, 0x1FE, 0xAA55);
    image[0x202..0x206].copy_from_slice(b"HdrS");
    put16(&mut image, 0x206, 0x020F);
    put16(&mut image, 0x20E, 0x300);
    image[0x211] = 1;
    put16(&mut image, 0x236, 0x7F);
    put32(&mut image, 0x238, 2047);
    put32(&mut image, 0x248, 0x80);
    put32(&mut image, 0x24C, u32::try_from(payload.len()).unwrap());
    put32(&mut image, 0x260, 0x0100_0000);
    let version = format!("{release} (me@host) #1 SMP\0");
    image[0x500..0x500 + version.len()].copy_from_slice(version.as_bytes());
    image[setup + 0x80..setup + 0x80 + payload.len()].copy_from_slice(payload);
    image
}

pub fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// `data` as `kernel/configs.c` embeds it.
pub fn ikconfig(text: &str) -> Vec<u8> {
    [b"IKCFG_ST", gzip(text.as_bytes()).as_slice(), b"IKCFG_ED"].concat()
}

/// A vmlinux with one loadable segment of `content`, and, with `pvh`, the PVH note in a segment of its own.
pub fn vmlinux(content: &[u8], pvh: bool) -> Vec<u8> {
    let note = [
        &4u32.to_le_bytes()[..],
        &4u32.to_le_bytes(),
        &18u32.to_le_bytes(),
        b"Xen\0",
        &0x0100_0000u32.to_le_bytes(),
    ]
    .concat();
    let phnum: u16 = if pvh { 2 } else { 1 };
    let start = 64 + 56 * usize::from(phnum);
    let mut elf = elf_header(2, 62, phnum);
    let mut segment = |kind: u32, at: usize, address: u64, len: usize| {
        elf.extend(kind.to_le_bytes());
        elf.extend(5u32.to_le_bytes());
        for word in [at as u64, address, 0x0100_0000, len as u64, len as u64, 8] {
            elf.extend(word.to_le_bytes());
        }
    };
    segment(1, start, 0xFFFF_FFFF_8100_0000, content.len());
    if pvh {
        segment(4, start + content.len(), 0, note.len());
    }
    elf.extend(content);
    if pvh {
        elf.extend(note);
    }
    elf
}

/// An ELF64 little-endian header of type `kind` with program headers behind it.
pub fn elf_header(kind: u16, machine: u16, phnum: u16) -> Vec<u8> {
    let mut elf = vec![0; 64];
    elf[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    put16(&mut elf, 16, kind);
    put16(&mut elf, 18, machine);
    put32(&mut elf, 20, 1);
    put32(&mut elf, 32, 64);
    put16(&mut elf, 52, 64);
    put16(&mut elf, 54, 56);
    put16(&mut elf, 56, phnum);
    put16(&mut elf, 58, 64);
    elf
}

/// A kernel module: an object file with nothing but its `.modinfo`.
pub fn module(release: &str, depends: &str, softdep: &str) -> Vec<u8> {
    let modinfo = format!(
        "license=GPL\0depends={depends}\0softdep={softdep}\0vermagic={release} SMP preempt mod_unload \0"
    );
    let names = b"\0.modinfo\0.shstrtab\0";
    let mut elf = elf_header(1, 62, 0);
    put32(&mut elf, 32, 0);
    let sections = 64 + modinfo.len() + names.len();
    put32(&mut elf, 40, u32::try_from(sections).unwrap());
    put16(&mut elf, 60, 3);
    put16(&mut elf, 62, 2);
    elf.extend(modinfo.as_bytes());
    elf.extend(names);
    for (name, kind, at, len) in [
        (0u32, 0u32, 0, 0),
        (1, 1, 64, modinfo.len()),
        (10, 3, 64 + modinfo.len(), names.len()),
    ] {
        let mut header = vec![0; 64];
        put32(&mut header, 0, name);
        put32(&mut header, 4, kind);
        put32(&mut header, 24, u32::try_from(at).unwrap());
        put32(&mut header, 32, u32::try_from(len).unwrap());
        elf.extend(header);
    }
    elf
}

/// Writes a file, its directories first.
pub fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Runs a filter over `input`; `None`, with a message, when the program is not there.
pub fn filter(program: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let Ok(mut child) = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
    else {
        println!("SKIP: {program} is not installed");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{program} {arguments:?} failed");
    Some(output.stdout)
}

/// The files of the directory `RUNNER_TEST_KERNELS` whose names begin with `prefix`.
pub fn given_kernels(prefix: &str) -> Vec<PathBuf> {
    let Some(dir) = std::env::var_os("RUNNER_TEST_KERNELS") else {
        println!("SKIP: RUNNER_TEST_KERNELS names no directory of kernels");
        return Vec::new();
    };
    with_prefix(Path::new(&dir), prefix)
}

/// The installed kernels that this user may read and whose modules are installed too.
pub fn installed_kernels() -> Vec<PathBuf> {
    let kernels: Vec<_> = with_prefix(Path::new("/boot"), "vmlinuz-")
        .into_iter()
        .filter(|path| {
            let release = path.file_name().unwrap().to_string_lossy()[8..].to_owned();
            let modules = Path::new("/lib/modules").join(release).join("modules.dep");
            fs::File::open(path).is_ok() && modules.is_file()
        })
        .collect();
    if kernels.is_empty() {
        println!("SKIP: no kernel with modules is installed, or it may not be read");
    }
    kernels
}

fn with_prefix(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with(prefix)
        })
        .collect()
}
