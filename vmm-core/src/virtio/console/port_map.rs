//! Which queue is whose (virtio 1.2, 5.3.2).
//!
//! ```text
//! queue   0   1   2       3       4   5   6   7
//! port    0   0   -       -       1   1   2   2
//!         rx  tx  control control rx  tx  rx  tx     rx: to the guest, tx: from the guest
//! ```

/// What a queue carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Bytes to the guest, of the port with this number.
    Rx(u16),
    /// Bytes from the guest, of the port with this number.
    Tx(u16),
    /// Control messages to the guest.
    ControlRx,
    /// Control messages from the guest.
    ControlTx,
}

/// What queue `queue` carries.
#[must_use]
pub const fn role(queue: u16) -> Role {
    match queue {
        0 => Role::Rx(0),
        1 => Role::Tx(0),
        2 => Role::ControlRx,
        3 => Role::ControlTx,
        _ if queue.is_multiple_of(2) => Role::Rx(queue / 2 - 1),
        _ => Role::Tx(queue / 2 - 1),
    }
}

/// Queues of a device with `ports` ports, port 0 among them.
#[must_use]
pub const fn queues(ports: u16) -> u16 {
    2 * (ports + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queues_are_those_of_the_specification() {
        let roles: Vec<_> = (0..8).map(role).collect();
        let expected = [
            Role::Rx(0),
            Role::Tx(0),
            Role::ControlRx,
            Role::ControlTx,
            Role::Rx(1),
            Role::Tx(1),
            Role::Rx(2),
            Role::Tx(2),
        ];
        assert_eq!(roles, expected);
    }

    #[test]
    fn every_port_has_two_queues() {
        for ports in 1..=31 {
            let roles: Vec<_> = (0..queues(ports)).map(role).collect();
            for port in 0..ports {
                assert_eq!(roles.iter().filter(|r| **r == Role::Rx(port)).count(), 1);
                assert_eq!(roles.iter().filter(|r| **r == Role::Tx(port)).count(), 1);
            }
            assert_eq!(roles.len(), usize::from(ports) * 2 + 2);
        }
    }
}
