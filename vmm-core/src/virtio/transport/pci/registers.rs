//! The common configuration structure (virtio 1.2, 4.1.4.3).
//!
//! Every field answers accesses of its own size, and 64-bit ones also by halves; all else reads zero and is not taken.

use super::interrupts::PciInterrupts;
use crate::virtio::transport::common::{Common, Part};

/// Bytes of the structure, without the optional fields.
pub(super) const LEN: u32 = 56;

const DEVICE_FEATURE_SELECT: u64 = 0;
const DEVICE_FEATURE: u64 = 4;
const DRIVER_FEATURE_SELECT: u64 = 8;
const DRIVER_FEATURE: u64 = 12;
const CONFIG_VECTOR: u64 = 16;
const NUM_QUEUES: u64 = 18;
const DEVICE_STATUS: u64 = 20;
const CONFIG_GENERATION: u64 = 21;
const QUEUE_SELECT: u64 = 22;
const QUEUE_SIZE: u64 = 24;
const QUEUE_VECTOR: u64 = 26;
const QUEUE_ENABLE: u64 = 28;
const QUEUE_NOTIFY_OFF: u64 = 30;
const QUEUE_DESC: u64 = 32;
const QUEUE_DRIVER: u64 = 40;
const QUEUE_DEVICE: u64 = 48;

/// Reads a field.
pub(super) fn read(common: &Common, interrupts: &PciInterrupts, offset: u64, data: &mut [u8]) {
    data.fill(0);
    let value: u64 = match (offset, data.len()) {
        (DEVICE_FEATURE_SELECT, 4) => common.device_feature_select.into(),
        (DEVICE_FEATURE, 4) => common.device_features().into(),
        (DRIVER_FEATURE_SELECT, 4) => common.driver_feature_select.into(),
        (DRIVER_FEATURE, 4) => common.driver_features().into(),
        (CONFIG_VECTOR, 2) => interrupts.config_vector().into(),
        (NUM_QUEUES, 2) => common.queue_count().into(),
        (DEVICE_STATUS, 1) => common.status().into(),
        (CONFIG_GENERATION, 1) => u64::from(common.generation()) & 0xff,
        (QUEUE_SELECT, 2) => common.queue_select.into(),
        (QUEUE_SIZE, 2) => common.queue_size().into(),
        (QUEUE_VECTOR, 2) => interrupts.queue_vector(common.queue_select).into(),
        (QUEUE_ENABLE, 2) => common.queue_ready().into(),
        (QUEUE_NOTIFY_OFF, 2) if common.queue_select < common.queue_count() => {
            common.queue_select.into()
        }
        _ => match part(offset, data.len()) {
            Some((part, high)) => common.queue_part(part) >> if high { 32 } else { 0 },
            None => return,
        },
    };
    let len = data.len();
    data.copy_from_slice(&value.to_le_bytes()[..len]);
}

/// Writes a field other than the status, which is [`status`].
pub(super) fn write(common: &mut Common, interrupts: &PciInterrupts, offset: u64, data: &[u8]) {
    let mut bytes = [0; 8];
    let Some(start) = bytes.get_mut(..data.len()) else {
        return;
    };
    start.copy_from_slice(data);
    let value = u64::from_le_bytes(bytes);
    let [low, high] = [value as u32, (value >> 32) as u32];
    let word = value as u16;
    match (offset, data.len()) {
        (DEVICE_FEATURE_SELECT, 4) => common.device_feature_select = low,
        (DRIVER_FEATURE_SELECT, 4) => common.driver_feature_select = low,
        (DRIVER_FEATURE, 4) => common.set_driver_features(low),
        (CONFIG_VECTOR, 2) => interrupts.set_config_vector(word),
        (QUEUE_SELECT, 2) => common.queue_select = word,
        (QUEUE_SIZE, 2) => common.set_queue_size(word),
        (QUEUE_VECTOR, 2) => interrupts.set_queue_vector(common.queue_select, word),
        // A driver must not write 0 (4.1.4.3.2).
        (QUEUE_ENABLE, 2) if word == 1 => common.enable_queue(),
        (_, 8) => {
            if let Some((part, false)) = part(offset, 8) {
                common.set_queue_part(part, false, low);
                common.set_queue_part(part, true, high);
            }
        }
        _ => {
            if let Some((part, upper)) = part(offset, data.len()) {
                common.set_queue_part(part, upper, low);
            }
        }
    }
}

/// The status where a write is one to it.
pub(super) fn status(offset: u64, data: &[u8]) -> Option<u8> {
    match data {
        &[status] if offset == DEVICE_STATUS => Some(status),
        _ => None,
    }
}

/// Which address, and whether its upper half.
fn part(offset: u64, len: usize) -> Option<(Part, bool)> {
    let (part, at) = match offset {
        QUEUE_DESC..QUEUE_DRIVER => (Part::Descriptors, offset - QUEUE_DESC),
        QUEUE_DRIVER..QUEUE_DEVICE => (Part::Available, offset - QUEUE_DRIVER),
        QUEUE_DEVICE..56 => (Part::Used, offset - QUEUE_DEVICE),
        _ => return None,
    };
    match (at, len) {
        (0, 4 | 8) => Some((part, false)),
        (4, 4) => Some((part, true)),
        _ => None,
    }
}
