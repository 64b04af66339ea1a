//! Looking into a machine from outside, where its engine can: at a stall, and at its end.

use super::{
    files::LimitedFile,
    intake::read_piece,
    stall,
    state::{Running, Session, SessionError, WRITE_LOG, io_error},
};
use crate::machine::{Control, Inspection, Sight, StopReason};
use std::time::{Duration, Instant};

/// Between two looks into a machine that stands still. Real time: it is the same for machines of any speed.
const BETWEEN: Duration = Duration::from_secs(1);

/// How long an engine may take to answer; it stops the virtual CPUs for that, which on a busy host takes a while.
const ANSWER: Duration = Duration::from_secs(10);

/// How long a hung machine gets to print its back traces, unscaled.
const TRACES: Duration = Duration::from_millis(750);

/// Lines of the console, and of the kernel log, in which a guest may say why it ended.
const LAST_WORDS: usize = 20;

/// What was seen of a machine from outside.
#[derive(Debug, Default)]
pub struct Seen {
    /// The kernel announced that it panics.
    pub panicked: bool,
    /// What the virtual CPUs of a machine that does not answer do, a plain fragment.
    pub stall: Option<String>,
    /// Where a triple fault came from.
    pub place: Option<String>,
    /// The latest look.
    pub inspection: Option<Box<Inspection>>,
}

/// What a moment of listening brought.
pub struct Heard {
    /// Text on the console.
    pub text: bool,
    /// Nothing more will come: the machine is gone, or the run is given up.
    pub over: bool,
}

impl Session<'_> {
    /// Asks the machine's process what there is. Returns why the machine is gone, if it is.
    pub fn watch(&mut self) -> Result<Option<StopReason>, SessionError> {
        let gone = self
            .machine
            .process()
            .map_err(io_error("watch a machine"))?;
        for sight in self.machine.sights() {
            match sight {
                Sight::Panicked => self.seen.panicked = true,
                Sight::Inspected(inspection) => self.seen.inspection = Some(inspection),
                Sight::Reached(mark, nanos) => self.measured.reached(mark, nanos),
                Sight::Counted(statistics) => self.measured.statistics = Some(*statistics),
            }
        }
        Ok(gone)
    }

    /// Waits once, until something comes or the time has come, and takes it in.
    pub fn listen(
        &mut self,
        running: &mut Option<&mut Running<'_>>,
        until: Instant,
    ) -> Result<Heard, SessionError> {
        let cancelled = self.wait(Some(until))?;
        let gone = self.watch()?.is_some();
        let text = read_piece(&mut self.console_port, |bytes| self.console.push(bytes))
            .map_err(io_error("write the console log"))?;
        // Both may still come and must not keep the wait from waiting.
        let slice = running
            .as_mut()
            .map(|running| &mut running.files.kernel_log);
        read_piece(&mut self.klog_port, |bytes| self.klog.push(bytes, slice))
            .map_err(io_error(WRITE_LOG))?;
        let _ = self.link.receive();
        Ok(Heard {
            text,
            over: cancelled || gone,
        })
    }

    /// Looks into the machine; nothing where that is not possible.
    fn look(
        &mut self,
        running: &mut Option<&mut Running<'_>>,
    ) -> Result<Option<Box<Inspection>>, SessionError> {
        if !self.machine.can_inspect() {
            return Ok(None);
        }
        self.seen.inspection = None;
        self.machine.control(Control::Inspect);
        let patience = Instant::now() + ANSWER;
        while self.seen.inspection.is_none() && Instant::now() < patience {
            if self.listen(running, patience)?.over {
                break;
            }
        }
        Ok(self.seen.inspection.clone())
    }

    /// Waits until the machine has printed nothing for a while.
    fn until_quiet(&mut self, running: &mut Option<&mut Running<'_>>) -> Result<(), SessionError> {
        let mut quiet_at = Instant::now() + self.settings.scaled(TRACES);
        let patience = Instant::now() + self.settings.scaled(4 * TRACES);
        while Instant::now() < quiet_at.min(patience) {
            let heard = self.listen(running, quiet_at.min(patience))?;
            if heard.over {
                break;
            }
            if heard.text {
                quiet_at = Instant::now() + self.settings.scaled(TRACES);
            }
        }
        Ok(())
    }

    /// Finds out what a hung machine does: looks at its virtual CPUs, asks its kernel for back traces of its CPUs and
    /// blocked tasks, and takes in what comes. Returns how far its log had come before it was asked.
    pub fn back_traces(
        &mut self,
        mut running: Option<&mut Running<'_>>,
    ) -> Result<Option<String>, SessionError> {
        let before = self.look(&mut running)?;
        let last_line = before.as_ref().and_then(|look| last_line(look));
        let first = Instant::now();
        let mut after = None;
        if before.is_some() {
            while first.elapsed() < BETWEEN {
                if self.listen(&mut running, first + BETWEEN)?.over {
                    break;
                }
            }
            after = self.look(&mut running)?;
        }
        let between = first.elapsed();
        for key in ['l', 'w'] {
            self.machine.control(Control::SysRq(key));
            self.until_quiet(&mut running)?;
        }
        let mut last = self.look(&mut running)?;
        // A kernel that takes no interrupts any more may still take this one.
        if let (Some(after), Some(asked)) = (&after, &last)
            && last_sequence(after) == last_sequence(asked)
        {
            self.machine.control(Control::Nmi);
            self.until_quiet(&mut running)?;
            last = self.look(&mut running)?;
        }
        self.seen.inspection = last.or_else(|| after.clone());
        let stall = before.zip(after).map(|(before, after)| {
            stall::compare(&before, &after, between, self.settings.symbols.as_deref())
        });
        let mut slice = running.map(|running| &mut running.files.kernel_log);
        self.last_log(slice.as_deref_mut())?;
        if let Some(stall) = stall {
            self.klog
                .note(&stall.section, slice)
                .map_err(io_error(WRITE_LOG))?;
            self.seen.stall = Some(stall.summary);
        }
        Ok(last_line)
    }

    /// Completes the kernel log with what the latest look found in guest memory, else with what the console has.
    fn last_log(&mut self, mut slice: Option<&mut LimitedFile>) -> Result<(), SessionError> {
        if let Some(look) = &self.seen.inspection {
            match &look.log {
                Ok(log) => {
                    let there = self
                        .klog
                        .continue_from_memory(&log.records, slice.as_deref_mut());
                    if there.map_err(io_error(WRITE_LOG))? {
                        return Ok(());
                    }
                }
                Err(why) => {
                    let note =
                        format!("the kernel log could not be read out of guest memory: {why}");
                    self.klog
                        .note(&[note], slice.as_deref_mut())
                        .map_err(io_error(WRITE_LOG))?;
                }
            }
        }
        self.klog
            .continue_from_console(&self.console.tail(), slice)
            .map_err(io_error(WRITE_LOG))
    }

    /// The machine is of no further use: completes the log, and adds what it looked like if its end needs explaining.
    pub fn last_evidence(
        &mut self,
        gone: Option<&StopReason>,
        mut slice: Option<&mut LimitedFile>,
    ) -> Result<(), SessionError> {
        self.last_log(slice.as_deref_mut())?;
        let Some(look) = &self.seen.inspection else {
            return Ok(());
        };
        let wordless = self.klog.findings().is_wordless();
        let explain = match gone {
            Some(StopReason::TripleFault | StopReason::InternalError(_)) => true,
            Some(StopReason::Reset) => wordless,
            _ => false,
        };
        if explain {
            let symbols = self.settings.symbols.as_deref();
            self.seen.place = stall::place(look, symbols);
            let section = stall::portrait(look, symbols);
            self.klog
                .note(&section, slice)
                .map_err(io_error(WRITE_LOG))?;
        }
        Ok(())
    }

    /// The end of what the guest said, wherever it said it.
    pub fn last_words(&self) -> String {
        let console = self.console.tail();
        let lines: Vec<&str> = console.lines().collect();
        let from = lines.len().saturating_sub(LAST_WORDS);
        let mut words = String::new();
        let log: Vec<&str> = self.klog.last_lines().collect();
        let log = &log[log.len().saturating_sub(LAST_WORDS)..];
        for line in log.iter().chain(&lines[from..]) {
            words.push_str(line);
            words.push('\n');
        }
        words
    }

    /// How far the guest came, by its last words: the rest of a sentence.
    pub fn how_far(&self) -> String {
        match (self.klog.last_line(), self.console.last_line()) {
            (Some(line), _) if self.seen.inspection.is_some() => {
                format!("the last line of its kernel log: {line}")
            }
            (_, Some(line)) => format!("the last line on its console: {line}"),
            (_, None) => "it printed nothing on its console".to_owned(),
        }
    }
}

/// The last line of the kernel log in guest memory.
fn last_line(look: &Inspection) -> Option<String> {
    let record = look.log.as_ref().ok()?.records.last()?;
    let line = record.text.lines().next_back()?;
    Some(line.chars().filter(|c| !c.is_control()).take(200).collect())
}

fn last_sequence(look: &Inspection) -> Option<u64> {
    Some(look.log.as_ref().ok()?.records.last()?.sequence)
}
