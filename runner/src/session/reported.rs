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
    ///
    /// # Errors
    /// [`SessionError::Report`].
    pub fn test_splats(
        &mut self,
        findings: Findings,
        policy: &SplatPolicy,
    ) -> Result<Vec<TestSplat>, SessionError> {
        let allowed = &self.settings.allowed_splats;
        let counts: Vec<bool> = findings
            .splats
            .iter()
            .map(|splat| triage::counts(splat, policy, allowed))
            .collect();
        let splats = self.decoded(findings.splats)?;
        let both = splats.into_iter().zip(counts);
        Ok(both
            .map(|(splat, counts)| TestSplat { splat, counts })
            .collect())
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
        let splats = self.decoded(splats)?;
        self.reports.emit(Event::SplatsOutside {
            machine: self.number,
            splats,
        })?;
        Ok(())
    }

    /// The same with source lines, where the kernel's debug information is there.
    fn decoded(&mut self, mut splats: Vec<Splat>) -> Result<Vec<Splat>, SessionError> {
        if splats.iter().all(|splat| splat.frames.is_empty()) {
            return Ok(splats);
        }
        let path = self.settings.debug_info.as_deref();
        let open = || path.and_then(|path| SourceLines::open(path).ok());
        let Some(lines) = self.lines.get_or_insert_with(open) else {
            return Ok(splats);
        };
        let others = lines.decode(&mut splats);
        if let (Some(other), Some(path)) = (others.first(), path) {
            let text = format!(
                "{} is of Linux {}, and the kernel that runs is {other}: stacks stay without source lines",
                path.display(),
                lines.name().unwrap_or_default()
            );
            self.lines = Some(None);
            self.reports.emit(Event::Warning { text })?;
        }
        Ok(splats)
    }
}
