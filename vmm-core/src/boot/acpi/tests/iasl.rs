//! The reference implementation's opinion: `iasl` of ACPICA takes every table apart, and makes the same DSDT again.

use super::*;
use std::{fs, path::Path, process::Command};

/// Runs `iasl`; returns what it said, or nothing where it is not installed.
fn iasl(directory: &Path, arguments: &[&str]) -> Option<String> {
    let output = match Command::new("iasl")
        .args(arguments)
        .current_dir(directory)
        .output()
    {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        output => output.expect("iasl can be run"),
    };
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    Some(said.into_owned())
}

#[test]
fn tables_can_be_taken_apart_and_made_again() {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, cpus, bus) in [
        ("pci", two_nodes(), VirtioBus::Pci),
        ("mmio", CpuConfig::flat(64), VirtioBus::Mmio { devices: 16 }),
    ] {
        let image = machine(&cpus, bus);
        for table in tables(&image) {
            let stem = format!("{name}-{}", table.signature);
            let (binary, source) = (format!("{stem}.dat"), format!("{stem}.dsl"));
            fs::write(directory.path().join(&binary), table.bytes).expect("written");
            let Some(said) = iasl(directory.path(), &["-d", &binary]) else {
                return println!("SKIP: iasl is not installed");
            };
            let source_text = fs::read_to_string(directory.path().join(&source)).expect("text");
            for word in ["Invalid", "Incorrect", "Unknown", "**** "] {
                assert!(!source_text.contains(word), "{stem}: {word}: {source_text}");
            }
            assert!(!said.contains("Error"), "{stem}: {said}");

            // Warnings are errors.
            iasl(directory.path(), &["-we", "-p", &stem, &source]).expect("installed");
            let again = fs::read(directory.path().join(format!("{stem}.aml"))).expect("a table");
            assert_same(&stem, table.bytes, &again);
        }
    }
}

/// The same but for checksum, compiler and its version.
fn assert_same(name: &str, ours: &[u8], theirs: &[u8]) {
    assert_eq!(ours.len(), theirs.len(), "{name}");
    assert_eq!(ours[..9], theirs[..9], "{name}");
    assert_eq!(ours[10..28], theirs[10..28], "{name}");
    assert_eq!(ours[36..], theirs[36..], "{name}");
}
