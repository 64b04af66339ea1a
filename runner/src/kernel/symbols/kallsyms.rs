//! Symbols out of the tables that a kernel carries for its own backtraces (`CONFIG_KALLSYMS`; `scripts/kallsyms.c`
//! writes them, `kernel/kallsyms.c` reads them; x86-64 since 4.6).
//!
//! Nothing names these tables in a kernel without symbols. One of them can be told by its content, the others lie
//! around it, in an order that depends on the version:
//!
//! ```text
//! before 6.4  offsets, relative_base, num_syms, names, markers, (seqs_of_names,) token_table, token_index
//! since 6.4   num_syms, names, markers, token_table, token_index, offsets, relative_base, seqs_of_names
//! ```
//!
//! Each begins at a multiple of eight. A name is a length and so many numbers of tokens, which are strings; its first
//! character is the symbol's type. The markers say where every 256th name begins, which proves a guess right.

use super::{MAX_NAME, MAX_SYMBOLS, MODULES, Symbols};
use crate::kernel::{scan, vmlinux::KERNEL_MAP};
use std::ops::RangeInclusive;

/// What the table of tokens always has: every digit occurs in some name, and then is a token.
const DIGITS: &[u8] = b"0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00";

/// Most places with digits that are looked at.
const MAX_PLACES: usize = 64;

/// Numbers of symbols that a kernel may have.
const SYMBOLS: RangeInclusive<usize> = 1000..=MAX_SYMBOLS;

/// How far before the tokens the names may begin, in bytes: with [`MAX_SYMBOLS`] there are some 50 MiB of tables.
const REACH: usize = 64 << 20;

/// Most names that are looked at in all, while looking for where they begin.
const MAX_STEPS: usize = 1 << 26;

/// A name is noted every so many.
const MARKER: usize = 256;

/// The symbols in the kernel proper's file; `None` when it has none, or in a form that is not known here.
pub fn symbols(kernel: &[u8]) -> Option<Symbols> {
    let mut steps = 0;
    let mut from = 0;
    for _ in 0..MAX_PLACES {
        from += scan::find(kernel.get(from..)?, DIGITS)?;
        if let Some(tokens) = Tokens::around(kernel, from)
            && let Some(names) = Names::before(kernel, &tokens, &mut steps)
            && let Some(addresses) = addresses(kernel, &tokens, &names)
        {
            return names.expand(kernel, &tokens, &addresses);
        }
        from += 1;
    }
    None
}

/// `kallsyms_token_table` and `kallsyms_token_index`.
struct Tokens<'a> {
    /// Where they begin in the file, and the first byte after them.
    start: usize,
    end: usize,
    /// The strings.
    tokens: Vec<&'a [u8]>,
}

impl<'a> Tokens<'a> {
    /// The tokens around those for the digits at `digits`.
    fn around(kernel: &'a [u8], digits: usize) -> Option<Self> {
        let mut end = digits;
        for _ in usize::from(b'0')..256 {
            let token = kernel.get(end..)?.iter().take(MAX_NAME);
            end += token.copied().take_while(|b| *b != 0).count() + 1;
        }
        let index_at = end.next_multiple_of(8);
        let index = kernel.get(index_at..)?.first_chunk::<512>()?;
        let index: Vec<usize> = index
            .as_chunks::<2>()
            .0
            .iter()
            .map(|entry| usize::from(u16::from_le_bytes(*entry)))
            .collect();
        let start = digits.checked_sub(index[usize::from(b'0')])?;
        if index[0] != 0 {
            return None;
        }
        let ends = index[1..].iter().copied().chain([end - start]);
        let tokens = index.iter().zip(ends).map(|(begin, next)| {
            let (zero, token) = kernel.get(start + begin..start + next)?.split_last()?;
            (*zero == 0 && !token.contains(&0)).then_some(token)
        });
        Some(Self {
            start,
            end: index_at + 512,
            tokens: tokens.collect::<Option<_>>()?,
        })
    }
}

/// `kallsyms_num_syms` and `kallsyms_names`.
struct Names {
    /// Where they begin in the file.
    start: usize,
    /// Number of symbols.
    count: usize,
}

impl Names {
    /// The names nearest before `tokens`.
    fn before(kernel: &[u8], tokens: &Tokens, steps: &mut usize) -> Option<Self> {
        let first = tokens.start.saturating_sub(REACH).next_multiple_of(8);
        (first..tokens.start).step_by(8).rev().find_map(|start| {
            let count = usize::try_from(u64_at(kernel, start)?).ok()?;
            let names = Self { start, count };
            (SYMBOLS.contains(&count) && names.are_marked(kernel, tokens, steps)).then_some(names)
        })
    }

    /// Whether there are so many names, and after them the markers that belong to them.
    fn are_marked(&self, kernel: &[u8], tokens: &Tokens, steps: &mut usize) -> bool {
        let table = &kernel[..tokens.start];
        let mut markers = Vec::new();
        let begin = self.start + 8;
        let mut at = begin;
        for number in 0..self.count {
            *steps += 1;
            if number % MARKER == 0 {
                markers.push(at - begin);
            }
            let Some((name, next)) = name_at(table, at).filter(|_| *steps < MAX_STEPS) else {
                return false;
            };
            let kind = name
                .first()
                .and_then(|b| tokens.tokens[usize::from(*b)].first());
            if !kind.is_some_and(|b| b.is_ascii_alphabetic() || *b == b'?') {
                return false;
            }
            at = next;
        }
        let at = at.next_multiple_of(8);
        // Words, before 4.20 of eight bytes.
        let short = |(i, marker): (usize, &usize)| {
            u32_at(table, at + 4 * i).is_some_and(|word| word as usize == *marker)
        };
        let long = |(i, marker): (usize, &usize)| {
            u64_at(table, at + 8 * i).is_some_and(|word| word == *marker as u64)
        };
        markers.iter().enumerate().all(short) || markers.iter().enumerate().all(long)
    }

    /// Gives the names in full to their addresses.
    fn expand(&self, kernel: &[u8], tokens: &Tokens, addresses: &[u64]) -> Option<Symbols> {
        let mut symbols = Symbols::default();
        let mut at = self.start + 8;
        for address in addresses {
            let (name, next) = name_at(kernel, at)?;
            at = next;
            let expanded: Vec<u8> = name
                .iter()
                .flat_map(|token| tokens.tokens[usize::from(*token)])
                .copied()
                .skip(1) // its type
                .take(MAX_NAME)
                .collect();
            if !symbols.push(*address, &String::from_utf8_lossy(&expanded)) {
                return None;
            }
        }
        symbols.some()
    }
}

/// The tokens of the name at `at`, and where the next one is. Lengths above 127 take two bytes, seven bits each.
fn name_at(table: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let low = usize::from(*table.get(at)?);
    let (len, begin) = match low & 0x80 {
        0 => (low, at + 1),
        _ => {
            let high = usize::from(*table.get(at + 1)?);
            ((low & 0x7F) | high << 7, at + 2)
        }
    };
    let name = table.get(begin..begin + len)?;
    Some((name, begin + len))
}

/// The addresses of all symbols: `kallsyms_offsets` and `kallsyms_relative_base`, wherever they are.
fn addresses(kernel: &[u8], tokens: &Tokens, names: &Names) -> Option<Vec<u64>> {
    let bytes = names.count * 4;
    let after = tokens.end.next_multiple_of(8);
    let after = Some((after, after + bytes.next_multiple_of(8)));
    let before = names
        .start
        .checked_sub(8)
        .and_then(|base| Some((base.checked_sub(bytes.next_multiple_of(8))?, base)));
    [after, before]
        .into_iter()
        .flatten()
        .find_map(|(at, base)| {
            let base = u64_at(kernel, base).filter(|base| (KERNEL_MAP..MODULES).contains(base))?;
            let offsets: Vec<i32> = kernel
                .get(at..at + bytes)?
                .as_chunks::<4>()
                .0
                .iter()
                .map(|offset| i32::from_le_bytes(*offset))
                .collect();
            // With `CONFIG_KALLSYMS_ABSOLUTE_PERCPU`, what is not negative is no offset.
            let absolute = offsets.iter().any(|offset| *offset < 0);
            let address = |offset: &i32| match offset {
                0.. if absolute => u64::from(offset.unsigned_abs()),
                0.. => base.wrapping_add(u64::from(offset.unsigned_abs())),
                _ => (base - 1).wrapping_add(u64::from(offset.unsigned_abs())),
            };
            let addresses: Vec<u64> = offsets.iter().map(address).collect();
            addresses.is_sorted().then_some(addresses)
        })
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*word))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*word))
}
