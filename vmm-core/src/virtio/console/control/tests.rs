use super::*;
use proptest::{collection::vec, prelude::*};

const BAD_ID: u32 = u32::MAX;

fn message(id: u32, event: u16, value: u16) -> Message {
    Message { id, event, value }
}

fn console_and_two() -> Control {
    Control::new(vec![
        Description::Console,
        Description::Named("link".into()),
        Description::Named("log".into()),
    ])
}

/// All that is to be sent: messages and names.
fn sent(control: &mut Control) -> Vec<(Message, String)> {
    let mut all = Vec::new();
    while control.has_unsent() {
        let bytes = control.next_unsent().expect("there is one");
        let (header, name) = bytes.split_first_chunk().expect("a header");
        let name = String::from_utf8(name.to_vec()).expect("a name of ours");
        all.push((Message::decode(*header), name));
    }
    assert_eq!(control.next_unsent(), None);
    all
}

fn plain(id: u32, event: u16, value: u16) -> (Message, String) {
    (message(id, event, value), String::new())
}

#[test]
fn linux_learns_of_its_ports() {
    let mut control = console_and_two();
    assert_eq!(sent(&mut control), []);
    control.receive(message(BAD_ID, event::DEVICE_READY, 1));
    let added: Vec<_> = (0..3).map(|id| plain(id, event::PORT_ADD, 1)).collect();
    assert_eq!(sent(&mut control), added);
    control.receive(message(0, event::PORT_READY, 1));
    control.receive(message(2, event::PORT_READY, 1));
    let expected = [
        plain(0, event::CONSOLE_PORT, 1),
        plain(0, event::PORT_OPEN, 1),
        (message(2, event::PORT_NAME, 1), "log".into()),
        plain(2, event::PORT_OPEN, 1),
    ];
    assert_eq!(sent(&mut control), expected);
    assert!(!control.is_open(2));
    control.receive(message(2, event::PORT_OPEN, 1));
    assert!(control.is_open(2));
    control.receive(message(2, event::PORT_OPEN, 0));
    assert!(!control.is_open(2));
}

#[test]
fn an_absent_port_is_never_mentioned() {
    let mut control = Control::new(vec![Description::Absent, Description::Named("a".into())]);
    control.receive(message(BAD_ID, event::DEVICE_READY, 1));
    assert_eq!(sent(&mut control), [plain(1, event::PORT_ADD, 1)]);
    control.receive(message(0, event::PORT_READY, 1));
    control.receive(message(0, event::PORT_OPEN, 1));
    assert_eq!(sent(&mut control), []);
    assert!(!control.is_open(0));
}

#[test]
fn a_closed_host_end_is_told_once() {
    let mut control = console_and_two();
    control.receive(message(BAD_ID, event::DEVICE_READY, 1));
    control.receive(message(1, event::PORT_READY, 1));
    sent(&mut control);
    control.close_host_end(1);
    control.close_host_end(1);
    assert_eq!(sent(&mut control), [plain(1, event::PORT_OPEN, 0)]);
    // A new driver is not told that it is open.
    control.receive(message(BAD_ID, event::DEVICE_READY, 1));
    control.receive(message(1, event::PORT_READY, 1));
    assert!(
        sent(&mut control)
            .iter()
            .all(|(m, _)| m.event != event::PORT_OPEN)
    );
}

#[test]
fn a_guest_cannot_open_what_it_has_not_added() {
    let mut control = console_and_two();
    control.receive(message(1, event::PORT_OPEN, 1));
    assert!(!control.is_open(1));
    control.receive(message(1, event::PORT_READY, 1));
    control.receive(message(1, event::PORT_OPEN, 1));
    assert!(control.is_open(1));
    control.receive(message(1, event::PORT_READY, 0));
    assert!(!control.is_open(1));
    assert_eq!(sent(&mut control), []);
}

#[test]
fn a_new_driver_begins_anew() {
    let mut control = console_and_two();
    control.receive(message(1, event::PORT_READY, 1));
    control.receive(message(1, event::PORT_OPEN, 1));
    control.receive(message(BAD_ID, event::DEVICE_READY, 0));
    assert!(!control.is_open(1));
    assert_eq!(sent(&mut control), []);
}

#[test]
fn without_messages_there_is_one_open_port() {
    let mut control = console_and_two();
    control.open_single_port();
    assert!(control.is_open(0) && !control.is_open(1));
    control.close_host_end(0);
    assert_eq!(sent(&mut control), []);
}

fn any_message() -> impl Strategy<Value = Message> {
    let id = prop_oneof![0..4_u32, Just(BAD_ID), any::<u32>()];
    let event = prop_oneof![9 => 0..9_u16, 1 => any::<u16>()];
    let value = prop_oneof![0..2_u16, any::<u16>()];
    (id, event, value).prop_map(|(id, event, value)| message(id, event, value))
}

proptest! {
    #[test]
    fn messages_go_there_and_back(bytes in any::<[u8; HEADER]>()) {
        prop_assert_eq!(Message::decode(bytes).encode(), bytes);
    }

    #[test]
    fn whatever_comes_little_waits(messages in vec(any_message(), 0..300)) {
        let mut control = console_and_two();
        for message in messages {
            control.receive(message);
        }
        prop_assert!(sent(&mut control).len() <= 9);
    }
}
