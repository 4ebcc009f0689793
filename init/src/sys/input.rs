//! Input devices: `struct input_event` of linux/input.h.

use crate::abi::Errno;

use super::{BorrowedFd, Result, file};

/// `sizeof(struct input_event)` on 64-bit machines: two words of time, then type, code, value.
const EVENT_BYTES: usize = 24;
/// `EV_KEY` and `KEY_POWER` of linux/input-event-codes.h.
const KEY: u16 = 1;
const KEY_POWER: u16 = 116;
const PRESSED: i32 = 1;

/// Reads what a power button has to say, without waiting: whether it was pressed. The device must be open without
/// blocking.
pub fn pressed(button: BorrowedFd) -> Result<bool> {
    let mut events = [0_u8; 16 * EVENT_BYTES];
    let length = match file::read(button, &mut events) {
        Ok(length) => length as usize,
        Err(Errno::AGAIN) => 0,
        Err(errno) => return Err(errno),
    };
    Ok(events.get(..length).unwrap_or(&[]).chunks_exact(EVENT_BYTES).any(is_press))
}

fn is_press(event: &[u8]) -> bool {
    let [.., a, b, c, d, e, f, g, h] = *event else { return false };
    let (kind, code, value) =
        (u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d]), i32::from_ne_bytes([e, f, g, h]));
    (kind, code, value) == (KEY, KEY_POWER, PRESSED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: u16, code: u16, value: i32) -> Vec<u8> {
        [&[7; 16][..], &kind.to_ne_bytes(), &code.to_ne_bytes(), &value.to_ne_bytes()].concat()
    }

    #[test]
    fn only_the_press_of_the_power_key_counts() {
        assert!(is_press(&event(1, 116, 1)));
        assert!(!is_press(&event(1, 116, 0)));
        assert!(!is_press(&event(1, 30, 1)));
        assert!(!is_press(&event(0, 0, 0)));
        assert!(!is_press(&[]));
    }
}
