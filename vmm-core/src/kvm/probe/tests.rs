use super::*;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

#[test]
fn an_answer_comes_within_a_second_and_is_consistent() {
    let began = Instant::now();
    let health = probe();
    let took = began.elapsed();
    println!("{health} ({health:?}), after {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    let opens = Kvm::new().is_ok();
    match health {
        KvmHealth::Healthy { .. } | KvmHealth::Interpreted { .. } => assert!(opens),
        KvmHealth::Missing | KvmHealth::NoPermission { .. } => assert!(!opens),
        KvmHealth::Broken(_) => {}
    }
}

#[test]
fn the_threshold_is_where_it_is_documented() {
    let of = |nanos| KvmHealth::of_loop_time(Duration::from_nanos(nanos * INSTRUCTIONS));
    assert_eq!(of(100), KvmHealth::Healthy { micros: 1800 });
    assert_eq!(of(101), KvmHealth::Interpreted { nanos: 101 });
    assert_eq!(
        of(1149).to_string(),
        "/dev/kvm interprets guest code (1.1 us an instruction)"
    );
}

#[test]
fn why_the_device_does_not_open_is_told_apart() {
    let of = |errno| KvmHealth::of_open_error(Errno::new(errno));
    assert_eq!(of(libc::ENOENT), KvmHealth::Missing);
    assert_eq!(of(libc::EPERM), KvmHealth::NoPermission { group: None });
    assert!(matches!(of(libc::EACCES), KvmHealth::NoPermission { .. }));
    assert_eq!(
        of(libc::EMFILE).to_string(),
        "/dev/kvm is broken: cannot open it: Too many open files (os error 24)"
    );
    let denied = KvmHealth::NoPermission {
        group: Some("kvm".into()),
    };
    assert_eq!(
        denied.remedy().as_deref(),
        Some("usermod -aG kvm $USER, then log in again")
    );
}

/// Runs `code` as the probe runs its own, expecting 0 in RAX, or says SKIP. Whether the vCPU came back is the second
/// part of the answer.
fn run(code: &[u8], patience: Duration) -> Option<(KvmHealth, bool)> {
    let health = probe();
    if !matches!(
        health,
        KvmHealth::Healthy { .. } | KvmHealth::Interpreted { .. }
    ) {
        println!("SKIP: {health}");
        return None;
    }
    let kvm = Kvm::new().expect("it opened for the probe");
    let payload = Payload {
        name: "tests",
        code: code.to_vec(),
        result: 0,
    };
    let came_back = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&came_back);
    let health = watch(patience, move |deadline, machine| {
        let ran = machine.insert(Machine::new(&kvm, deadline)?).run(&payload);
        flag.store(true, Ordering::SeqCst);
        ran.map(KvmHealth::of_loop_time)
    });
    let came_back = came_back.load(Ordering::SeqCst);
    println!("{code:x?}: {health:?}, came back: {came_back}");
    Some((health, came_back))
}

#[test]
fn a_guest_that_never_ends_is_called_back() {
    const JUMP_TO_ITSELF: &[u8] = &[0xeb, 0xfe];
    // At once: the kick may come before the vCPU's thread has begun.
    for patience in [Duration::ZERO, Duration::from_millis(100)] {
        if let Some((health, came_back)) = run(JUMP_TO_ITSELF, patience) {
            assert_eq!(health, KvmHealth::Broken(Fault::NoAnswer));
            assert!(came_back);
        }
    }
}

#[test]
fn guest_code_that_goes_wrong_is_broken_with_the_exit_or_the_result_named() {
    const UD2: &[u8] = &[0x0f, 0x0b];
    const STORE_OUTSIDE_MEMORY: &[u8] = &[0x88, 0x04, 0x25, 0, 0, 0x10, 0]; // mov [0x100000], al
    const WRONG_RESULT: &[u8] = &[0xb0, 7, 0xf4]; // mov al, 7; hlt
    for (code, expected) in [
        (UD2, "tests end in KVM_EXIT_SHUTDOWN, not at their HLT"),
        (
            STORE_OUTSIDE_MEMORY,
            "tests end in KVM_EXIT_MMIO (address 0x100000), not at their HLT",
        ),
        (WRONG_RESULT, "tests compute 0x7, not 0x0"),
    ] {
        if let Some((health, _)) = run(code, PATIENCE) {
            assert_eq!(
                health.to_string(),
                format!("/dev/kvm is broken: {expected}")
            );
        }
    }
}
