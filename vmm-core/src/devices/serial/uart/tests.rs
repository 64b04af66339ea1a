use super::*;

const MCR: u8 = 4;
const LSR_DATA_READY: u8 = 1 << 0;
const NO_INTERRUPT: u8 = 1 << 0;
const LOOPBACK: u8 = 1 << 4;

struct Machine {
    uart: Uart,
    line: EventFd,
}

impl Machine {
    fn new() -> Self {
        let line = EventFd::new(libc::EFD_NONBLOCK).expect("an event");
        let interrupt = line.try_clone().expect("an event");
        Self {
            uart: Uart::new(interrupt),
            line,
        }
    }

    /// As serial8250_do_startup and the console leave it.
    fn started() -> Self {
        let mut machine = Self::new();
        machine.uart.write(LCR, 0x03);
        machine.uart.write(IER, ERBFI | ELSI);
        machine
    }

    fn interrupted(&self) -> bool {
        self.line.read().is_ok()
    }

    /// What serial8250_handle_irq and serial8250_read_char make of an interrupt.
    fn handle_interrupt(&mut self) -> Vec<Received> {
        let mut received = Vec::new();
        if self.uart.read(IIR) & NO_INTERRUPT != 0 {
            return received;
        }
        let mut status = self.uart.read(LSR);
        while status & (LSR_DATA_READY | LSR_BREAK) != 0 {
            let byte = self.uart.read(DATA);
            received.push(if status & LSR_BREAK == 0 {
                Received::Byte(byte)
            } else {
                Received::Break
            });
            status = self.uart.read(LSR);
        }
        received
    }
}

#[test]
fn linux_sees_the_sysrq_key() {
    let mut m = Machine::started();
    assert!(m.uart.send_break(b't'));
    assert!(m.interrupted());
    assert_eq!(m.uart.read(IIR), 0xc0 | IIR_LINE_STATUS);
    assert_eq!(
        m.handle_interrupt(),
        [Received::Break, Received::Byte(b't')]
    );
    assert_eq!(m.uart.read(IIR) & NO_INTERRUPT, NO_INTERRUPT);
    assert!(!m.interrupted());
}

#[test]
fn a_break_keeps_its_place_among_bytes() {
    let mut m = Machine::started();
    m.uart.receive(b"ab");
    assert!(m.uart.send_break(b't'));
    m.uart.receive(b"c");
    let expected: Vec<_> = [b'a', b'b'].map(Received::Byte).into();
    let expected = [
        expected,
        vec![Received::Break, Received::Byte(b't'), Received::Byte(b'c')],
    ];
    assert_eq!(m.handle_interrupt(), expected.concat());
}

#[test]
fn a_break_waits_for_room() {
    let mut m = Machine::started();
    m.uart.receive(&[b'x'; FIFO]);
    assert!(m.uart.send_break(b't'));
    assert_eq!(m.uart.room(), 0);
    let received = m.handle_interrupt();
    assert_eq!(received[FIFO..], [Received::Break, Received::Byte(b't')]);
    assert_eq!(m.uart.room(), FIFO);
}

#[test]
fn breaks_that_nobody_reads_are_bounded() {
    let mut m = Machine::new();
    let taken = (0..1000).filter(|_| m.uart.send_break(b't')).count();
    assert_eq!(taken, (FIFO + WAITING) / 2);
}

#[test]
fn a_break_before_interrupts_are_enabled_comes_after() {
    for enabled in [ERBFI | ELSI, ELSI, ERBFI] {
        let mut m = Machine::new();
        assert!(m.uart.send_break(b't'));
        assert!(!m.interrupted());
        m.uart.write(IER, enabled);
        assert!(m.interrupted(), "{enabled:#x}");
        assert_eq!(
            m.handle_interrupt(),
            [Received::Break, Received::Byte(b't')]
        );
    }
}

#[test]
fn the_line_status_interrupt_alone_is_enough() {
    let mut m = Machine::new();
    m.uart.write(IER, ELSI);
    m.uart.receive(b"a");
    assert!(!m.interrupted());
    assert!(m.uart.send_break(b't'));
    assert!(!m.interrupted(), "a byte is before it");
    m.uart.read(DATA);
    assert!(m.interrupted());
    assert_eq!(m.uart.read(IIR) & IIR_CAUSE, IIR_LINE_STATUS);
}

#[test]
fn the_console_may_write_in_between() {
    // serial8250_console_write: masks, looks at the line status (and forgets what it saw, in old kernels), restores.
    let mut m = Machine::started();
    m.uart.write(IER, 0);
    assert!(m.uart.send_break(b'l'));
    m.uart.read(LSR);
    m.uart.write(DATA, b'x');
    m.uart.read(LSR);
    m.uart.write(IER, ERBFI | ELSI);
    assert!(m.interrupted());
    assert_eq!(
        m.handle_interrupt(),
        [Received::Break, Received::Byte(b'l')]
    );
}

#[test]
fn the_divisor_is_no_data() {
    let mut m = Machine::started();
    assert!(m.uart.send_break(b't'));
    m.uart.write(LCR, DLAB | 0x03);
    m.uart.write(DATA, 1);
    m.uart.write(IER, 0);
    assert_eq!((m.uart.read(DATA), m.uart.read(IER)), (1, 0));
    m.uart.write(LCR, 0x03);
    assert_eq!(m.uart.read(IER), ERBFI | ELSI);
    assert_eq!(
        m.handle_interrupt(),
        [Received::Break, Received::Byte(b't')]
    );
}

#[test]
fn loopback_comes_back_and_keeps_breaks_in_place() {
    let mut m = Machine::started();
    m.uart.write(MCR, LOOPBACK);
    for byte in *b"xy" {
        m.uart.write(DATA, byte);
    }
    assert!(m.uart.send_break(b't'));
    m.uart.write(MCR, 0);
    assert_eq!(
        m.handle_interrupt(),
        [
            Received::Byte(b'x'),
            Received::Byte(b'y'),
            Received::Break,
            Received::Byte(b't')
        ]
    );
}

#[test]
fn linux_recognizes_a_working_16550a() {
    // autoconfig: the interrupt enables, the modem lines in loopback, the FIFO.
    let mut m = Machine::new();
    m.uart.write(IER, 0);
    assert_eq!(m.uart.read(IER) & 0x0f, 0);
    m.uart.write(IER, 0x0f);
    assert_eq!(m.uart.read(IER) & 0x0f, 0x0f);
    m.uart.write(MCR, LOOPBACK | 0x0a);
    assert_eq!(m.uart.read(6) & 0xf0, 0x90);
    m.uart.write(IIR, 0x01);
    assert_eq!(m.uart.read(IIR) >> 6, 3);
}

#[test]
fn an_empty_transmitter_interrupts_again_and_again() {
    // The THRE test of serial8250_do_startup.
    let mut m = Machine::new();
    for _ in 0..2 {
        m.uart.write(IER, 0x02);
        assert_eq!(m.uart.read(IIR) & NO_INTERRUPT, 0);
        m.uart.write(IER, 0);
    }
}
