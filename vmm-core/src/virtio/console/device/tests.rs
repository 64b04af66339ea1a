use super::*;

fn sockets(count: usize) -> Vec<(String, UnixStream)> {
    let port = |i| {
        let (device, _) = UnixStream::pair().expect("sockets");
        (format!("port{i}"), device)
    };
    (0..count).map(port).collect()
}

#[test]
fn a_driver_reads_how_many_ports_there_are() {
    let console = Console::new(None, sockets(2)).expect("valid");
    let mut data = [0xff; 16];
    console.read_config(0, &mut data);
    assert_eq!(data, [0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut data = [0xff; 2];
    console.read_config(4, &mut data);
    assert_eq!(data, [3, 0]);
    for offset in [11, 12, u64::MAX] {
        let mut data = [0xff; 8];
        console.read_config(offset, &mut data);
        assert_eq!(data, [0; 8]);
    }
}

#[test]
fn there_are_two_queues_for_each_port_and_two_more() {
    for ports in [0, 1, MAX_PORTS] {
        let console = Console::new(None, sockets(ports)).expect("valid");
        assert_eq!(console.queue_sizes().len(), 2 * (ports + 1) + 2);
        assert!(console.queue_sizes().iter().all(|s| s.is_power_of_two()));
    }
}

#[test]
fn too_many_ports_and_bad_names_are_refused() {
    let refused = |ports| match Console::new(None, ports) {
        Ok(_) => panic!("not refused"),
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::InvalidInput),
    };
    refused(sockets(MAX_PORTS + 1));
    for name in ["", "a\0b", &"x".repeat(256)] {
        let mut ports = sockets(1);
        ports[0].0 = name.into();
        refused(ports);
    }
}

#[test]
fn an_inactive_device_has_no_queues_to_give_back() {
    let mut console = Console::new(None, sockets(1)).expect("valid");
    assert!(console.deactivate().is_empty());
}
