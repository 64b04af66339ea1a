use super::super::{
    fixture::{filter, gzip},
    payload::{PayloadError, decompress},
};
use super::*;
use proptest::prelude::*;

const LIMIT: usize = 1 << 20;

/// Text that compresses, longer than one lz4 block when `long`.
fn sample(long: bool) -> Vec<u8> {
    let lines = if long { 700_000 } else { 2_000 };
    (0..lines)
        .flat_map(|n: u32| format!("line {}\n", n.wrapping_mul(2_654_435_761)).into_bytes())
        .collect()
}

fn with_size(mut packed: Vec<u8>, size: usize) -> Vec<u8> {
    packed.extend(u32::try_from(size).unwrap().to_le_bytes());
    packed
}

fn xz(data: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    liblzma::bufread::XzEncoder::new(data, 1)
        .read_to_end(&mut packed)
        .unwrap();
    packed
}

fn zstd(data: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
}

fn lz4(data: &[u8]) -> Vec<u8> {
    let mut packed = 0x184C_2102u32.to_le_bytes().to_vec();
    for block in data.chunks(8 << 20) {
        let block = lz4_flex::block::compress(block);
        packed.extend(u32::try_from(block.len()).unwrap().to_le_bytes());
        packed.extend(block);
    }
    packed
}

/// The commands of scripts/Makefile.lib and scripts/xz_wrap.sh, with their dictionaries and windows and less effort.
const BUILD: [(&str, &[&str], Compression); 6] = [
    ("gzip", &["-n", "-9"], Compression::Gzip),
    (
        "xz",
        &[
            "--check=crc32",
            "--x86",
            "--lzma2=preset=0,dict=128MiB",
            "-c",
        ],
        Compression::Xz,
    ),
    ("xz", &["--format=lzma", "-9", "-c"], Compression::Lzma),
    ("lz4", &["-l", "-9", "-", "-"], Compression::Lz4),
    ("zstd", &["-3", "--long=27", "-c", "-q"], Compression::Zstd),
    ("zstd", &["-19", "-c", "-q"], Compression::Zstd),
];

#[test]
fn what_a_kernel_build_packs_is_unpacked() {
    for (long, (program, arguments, format)) in [false, true]
        .into_iter()
        .flat_map(|l| BUILD.map(|b| (l, b)))
    {
        if long && !matches!(format, Compression::Lz4 | Compression::Gzip) {
            continue;
        }
        let data = sample(long);
        let Some(packed) = filter(program, arguments, &data) else {
            continue;
        };
        assert_eq!(Compression::detect(&packed), Some(format), "{program}");
        let payload = match format {
            Compression::Gzip => packed,
            _ => with_size(packed, data.len()),
        };
        let kernel = decompress(&payload).unwrap();
        assert!(kernel == data, "{program} {arguments:?}");
    }
}

#[test]
fn formats_without_decoder_are_named_with_the_way_out() {
    for (magic, name) in [(&b"BZh9"[..], "bzip2"), (b"\x89LZO\0\r\n\x1a\n", "lzo")] {
        let error = decompress(magic).unwrap_err();
        assert!(matches!(error, PayloadError::Unsupported(_)));
        let text = error.to_string();
        assert!(
            text.contains(name) && text.contains("CONFIG_KERNEL_"),
            "{text}"
        );
    }
    assert!(matches!(
        decompress(b"what?"),
        Err(PayloadError::Unknown(_))
    ));
    assert!(matches!(decompress(b""), Err(PayloadError::Unknown(_))));
}

#[test]
fn a_length_that_does_not_agree_is_an_error() {
    let data = sample(false);
    let error = decompress(&with_size(xz(&data), data.len() + 1)).unwrap_err();
    assert!(matches!(error, PayloadError::WrongSize { .. }), "{error}");
}

#[test]
fn output_over_the_limit_is_an_error() {
    let data = vec![0; LIMIT + 1];
    for packed in [gzip(&data), xz(&data), zstd(&data), lz4(&data)] {
        let format = Compression::detect(&packed).unwrap();
        let error = format.expand(&packed, LIMIT).unwrap_err();
        assert!(matches!(error, ExpandError::TooLong { .. }), "{error}");
        assert_eq!(format.expand(&packed, LIMIT + 1).unwrap().len(), LIMIT + 1);
    }
}

#[test]
fn headers_that_ask_for_too_much_memory_are_refused() {
    // lzma: a dictionary of 4 GiB; zstd: a window of 2 TiB.
    let lzma = [&b"\x5d\0\0"[..], &[0, 0xFF], &[0xFF; 8], &[0; 64]].concat();
    let zstd = [&b"\x28\xb5\x2f\xfd"[..], &[0, 31 << 3], &[0; 64]].concat();
    for packed in [lzma, zstd] {
        let format = Compression::detect(&packed).unwrap();
        let error = format.expand(&packed, LIMIT).unwrap_err();
        assert!(matches!(error, ExpandError::Corrupt { .. }), "{error}");
    }
    // lz4: a block of 4 GiB.
    let lz4 = b"\x02\x21\x4c\x18\xff\xff\xff\xffabc";
    assert!(Compression::Lz4.expand(lz4, LIMIT).is_err());
}

proptest! {
    #[test]
    fn damaged_data_never_panics_and_stays_within_the_limit(
        which in 0usize..4,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        kept in any::<prop::sample::Index>(),
    ) {
        let data = &sample(false)[..20_000];
        let mut packed = [gzip, xz, zstd, lz4][which](data);
        let format = Compression::detect(&packed).unwrap();
        for (at, value) in changes {
            let at = at.index(packed.len());
            packed[at] = value;
        }
        packed.truncate(kept.index(packed.len() * 2));
        if let Ok(out) = format.expand(&packed, LIMIT) {
            prop_assert!(out.len() <= LIMIT);
        }
    }
}
