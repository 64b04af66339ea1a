//! What of the kernel's splats is told, and to whom it is put down.

use super::{
    findings::Findings,
    state::{Session, SessionError},
    triage,
};
use crate::kernel::SourceLines;
use reports::{Event, TestSplat};
use splats::{Severity, Splat};
use suites::SplatPolicy;

impl Session<'_> {
    /// A test's splats as reports have them.
    pub fn test_splats(&mut self, findings: Findings, policy: &SplatPolicy) -> Vec<TestSplat> {
        let allowed = &self.settings.allowed_splats;
        let counts: Vec<bool> = findings
            .splats
            .iter()
            .map(|splat| triage::counts(splat, policy, allowed))
            .collect();
        let splats = self.decoded(findings.splats);
        let both = splats.into_iter().zip(counts);
        both.map(|(splat, counts)| TestSplat { splat, counts })
            .collect()
    }

    /// The first splat that is held against a test.
    pub fn complaint(&self, findings: &Findings, policy: &SplatPolicy) -> Option<String> {
        let allowed = &self.settings.allowed_splats;
        let mut splats = findings.splats.iter();
        let first = splats.find(|splat| triage::counts(splat, policy, allowed))?;
        Some(first.title.clone())
    }

    /// Tells what the kernel reported while no test ran: nobody is to blame for it.
    pub fn tell_outside(&mut self) -> Result<(), SessionError> {
        let outside = self.klog.take_outside();
        let splats: Vec<Splat> = outside
            .splats
            .into_iter()
            .filter(|splat| splat.severity >= Severity::Warning)
            .collect();
        if splats.is_empty() {
            return Ok(());
        }
        let splats = self.decoded(splats);
        self.reports.emit(Event::SplatsOutside {
            machine: self.number,
            splats,
        })?;
        Ok(())
    }

    /// The same with source lines, where the kernel's debug information is there.
    fn decoded(&mut self, mut splats: Vec<Splat>) -> Vec<Splat> {
        if splats.iter().all(|splat| splat.frames.is_empty()) {
            return splats;
        }
        let path = self.settings.debug_info.as_deref();
        let open = || path.and_then(|path| SourceLines::open(path).ok());
        if let Some(lines) = self.lines.get_or_insert_with(open) {
            lines.decode(&mut splats);
        }
        splats
    }
}
