//! What the guest executes, and the memory it needs for that. Pure: bytes and numbers.
//!
//! | guest-physical | holds                                              |
//! |---------------:|----------------------------------------------------|
//! |       `0x1000` | PML4: entry 0 points to the PDPT                   |
//! |       `0x2000` | PDPT: entry 0 points to the page directory         |
//! |       `0x3000` | page directory: entry 0 maps 2 MiB onto themselves |
//! |       `0x4000` | the payload's code                                 |
//! |       `0x5000` | data: 16 bytes                                     |
//! |       `0x7000` | stack, downwards                                   |

/// Bytes of guest memory, from guest-physical 0.
pub(super) const MEMORY: usize = 0x7000;
/// Guest-physical address of the PML4, for CR3.
pub(super) const PML4: u64 = 0x1000;
const PDPT: u64 = 0x2000;
const PAGE_DIRECTORY: u64 = 0x3000;
/// Guest-physical and virtual address of the code; RIP at the start.
pub(super) const CODE: u64 = 0x4000;
/// Guest-physical and virtual address of the data, all zero, and RDI at the start.
pub(super) const DATA: u64 = 0x5000;
/// RSP at the start.
pub(super) const STACK: u64 = 0x7000;

// Page table entries: Intel SDM volume 3, section 5.5.4 "Linear-Address Translation with 4-Level Paging".
const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const LARGE: u64 = 1 << 7;

/// Rounds of [`Payload::ordinary`]; RCX at the start.
pub(super) const ROUNDS: u64 = 2000;

/// One round, an instruction a line. RAX is the sum of all RCX so far, and goes through memory and stack.
const ROUND: [&[u8]; 9] = [
    &[0x48, 0x01, 0xc8],       // add rax, rcx
    &[0x48, 0x89, 0x07],       // mov [rdi], rax
    &[0x48, 0x8b, 0x17],       // mov rdx, [rdi]
    &[0x52],                   // push rdx
    &[0x58],                   // pop rax
    &[0x48, 0xc1, 0xea, 0x03], // shr rdx, 3
    &[0x48, 0x39, 0xc2],       // cmp rdx, rax
    &[0x48, 0xff, 0xc9],       // dec rcx
    JUMP_IF_NOT_ZERO,
];
/// `jnz` with the displacement left open.
const JUMP_IF_NOT_ZERO: &[u8] = &[0x75, 0];

/// Instructions that [`Payload::ordinary`] executes, the `hlt` left aside.
pub(super) const INSTRUCTIONS: u64 = ROUNDS * ROUND.len() as u64;

/// Puts 42 into a zeroed [`DATA`] by `cmpxchg16b` and doubles it by SSE. RAX is 0 at the start.
const ATOMICS: [&[u8]; 9] = [
    &[0x31, 0xd2],                   // xor edx, edx
    &[0x31, 0xc9],                   // xor ecx, ecx
    &[0xbb, 42, 0, 0, 0],            // mov ebx, 42
    &[0xf0, 0x48, 0x0f, 0xc7, 0x0f], // lock cmpxchg16b [rdi]
    &[0x66, 0x0f, 0x6f, 0x07],       // movdqa xmm0, [rdi]
    &[0x66, 0x0f, 0xd4, 0xc0],       // paddq xmm0, xmm0
    &[0x66, 0x0f, 0x7f, 0x07],       // movdqa [rdi], xmm0
    &[0x48, 0x8b, 0x07],             // mov rax, [rdi]
    HALT,
];
const HALT: &[u8] = &[0xf4];

/// A piece of guest code, ended by `HLT`, that leaves a known number in RAX.
#[derive(Debug, Clone)]
pub(super) struct Payload {
    /// What it is called in messages; plural.
    pub(super) name: &'static str,
    /// What to put at [`CODE`].
    pub(super) code: Vec<u8>,
    /// RAX at the end.
    pub(super) result: u64,
}

impl Payload {
    /// Arithmetic, memory, stack and branches: [`INSTRUCTIONS`] of them.
    pub(super) fn ordinary() -> Self {
        let mut code = ROUND.concat();
        let round = i8::try_from(code.len()).expect("a round is short");
        *code.last_mut().expect("a round is not empty") = (-round).to_ne_bytes()[0];
        code.extend_from_slice(HALT);
        Self {
            name: "ordinary instructions",
            code,
            result: ROUNDS * (ROUNDS + 1) / 2,
        }
    }

    /// `LOCK CMPXCHG16B` and SSE2.
    pub(super) fn atomics() -> Self {
        Self {
            name: "LOCK CMPXCHG16B and SSE",
            code: ATOMICS.concat(),
            result: 84,
        }
    }
}

/// The page tables, as guest-physical address and entry; the rest of them is zero.
pub(super) const PAGE_TABLES: [(u64, u64); 3] = [
    (PML4, PDPT | WRITABLE | PRESENT),
    (PDPT, PAGE_DIRECTORY | WRITABLE | PRESENT),
    (PAGE_DIRECTORY, LARGE | WRITABLE | PRESENT),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_jumps_back_to_its_first_instruction_and_halts_behind_it() {
        let code = Payload::ordinary().code;
        let [before @ .., opcode, displacement, halt] = code.as_slice() else {
            panic!("too short: {code:?}")
        };
        assert_eq!((*opcode, [*halt].as_slice()), (JUMP_IF_NOT_ZERO[0], HALT));
        // Relative to the instruction after the jump.
        let target = before.len() + 2;
        assert_eq!(-(target as isize), isize::from(*displacement as i8));
    }

    #[test]
    fn the_pieces_of_memory_lie_inside_it_and_apart() {
        let code = [Payload::ordinary(), Payload::atomics()].map(|p| p.code.len() as u64);
        let mut pieces = vec![
            (CODE, CODE + code[0].max(code[1])),
            (DATA, DATA + 16),
            // What the loop pushes.
            (STACK - 8, STACK),
        ];
        pieces.extend(PAGE_TABLES.map(|(at, _)| (at, at + 4096)));
        pieces.sort_unstable();
        assert!(pieces.windows(2).all(|w| w[0].1 <= w[1].0), "{pieces:x?}");
        assert!(pieces.iter().all(|p| p.1 <= MEMORY as u64), "{pieces:x?}");
    }

    /// Walks the page tables as the processor does: the physical address of a virtual one.
    fn translate(virtual_address: u64) -> Option<u64> {
        let read = |at: u64| {
            let found = PAGE_TABLES.iter().find(|(address, _)| *address == at);
            found.map_or(0, |(_, entry)| *entry)
        };
        let mut table = PML4;
        for shift in [39, 30, 21] {
            let entry = read(table + (virtual_address >> shift & 0x1ff) * 8);
            if entry & PRESENT == 0 || entry & WRITABLE == 0 {
                return None;
            }
            table = entry & 0x000f_ffff_ffff_f000;
            if entry & LARGE != 0 {
                let offset = virtual_address & ((1 << shift) - 1);
                return (shift == 21 && table & 0x1f_ffff == 0).then_some(table + offset);
            }
        }
        None
    }

    #[test]
    fn all_memory_is_mapped_onto_itself_and_nothing_else_is_mapped() {
        for address in (0..MEMORY as u64).step_by(8) {
            assert_eq!(translate(address), Some(address));
        }
        for address in [2 << 20, 1 << 30, 1 << 39, 0xffff_8000_0000_0000] {
            assert_eq!(translate(address), None, "{address:#x}");
        }
    }
}
