//! The system calls that neither the standard library nor rustix offers as safe functions.
//!
//! Every function here may only be called while the process has one thread; init never starts another.

use rustix::process::{Pid, WaitOptions, waitpid};
use std::ffi::CString;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

/// What the C library calls. Rust's own entry point is left out: it aborts where there is no `/dev/null` yet,
/// ignores SIGPIPE for every test to inherit, and brings a fifth of a megabyte of code for both.
// SAFETY: no other function of this name exists: the crate is `no_main`, except where it is tested.
#[cfg_attr(not(test), unsafe(no_mangle))]
#[cfg_attr(
    test,
    expect(dead_code, reason = "the test harness has an entry point of its own")
)]
extern "C" fn main(count: libc::c_int, words: *const *const libc::c_char) -> libc::c_int {
    let words = (0..usize::try_from(count).unwrap_or(0)).map(|index| {
        // SAFETY: `words` is the argument vector: `count` pointers to terminated strings, which nothing
        // changes or frees while the process lives.
        let word = unsafe { std::ffi::CStr::from_ptr(*words.add(index)) };
        std::ffi::OsString::from_vec(word.to_bytes().to_vec())
    });
    libc::c_int::from(crate::run(words))
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Blocks SIGCHLD and returns a non-blocking descriptor that is readable while one is pending.
///
/// A blocked signal stays blocked in children until somebody unblocks it; [`spawn`] does that for its own.
pub fn child_signals() -> io::Result<OwnedFd> {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `set` is valid for writes and `sigemptyset` initialises all of it before anything reads it.
    let set = unsafe {
        check(libc::sigemptyset(set.as_mut_ptr()))?;
        check(libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD))?;
        set.assume_init()
    };
    // SAFETY: `set` is initialised and outlives the call; the old mask is not asked for.
    check(unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) })?;
    // SAFETY: `set` is initialised and outlives the call; -1 asks for a new descriptor.
    let fd = check(unsafe {
        libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    })?;
    // SAFETY: the kernel has just returned this descriptor and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes this process run before every ordinary one, its children not included.
pub fn run_before_others() -> io::Result<()> {
    // `struct sched_param` of the kernel (include/uapi/linux/sched/types.h) is this one number.
    let priority: libc::c_int = 1;
    // SAFETY: the kernel reads one `int` through the pointer, which outlives the call; 0 means the
    // calling thread. The system call is made directly because not every C library passes it on.
    let result = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            0,
            libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK,
            &raw const priority,
        )
    };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Sends SIGKILL to every process but the caller and the kernel's own threads.
///
/// Refused for any process but PID 1, on whose machine there is nothing else to lose.
pub fn kill_everything() -> io::Result<()> {
    if std::process::id() != 1 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    // SAFETY: `kill` touches no memory of this process.
    check(unsafe { libc::kill(-1, libc::SIGKILL) }).map(drop)
}

/// Sets the network interface `lo` up.
pub fn loopback_up() -> io::Result<()> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    // SAFETY: `ifreq` is plain old data for which all zeroes is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    let flags = libc::IFF_UP | libc::IFF_RUNNING;
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).expect("both flags are low bits");
    // SAFETY: SIOCSIFFLAGS reads one `ifreq`, which `request` is, with its name terminated by zeroes.
    check(unsafe {
        libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as libc::Ioctl,
            &raw const request,
        )
    })
    .map(drop)
}

/// Makes one of KVM's requests whose argument is a number, here zero, and returns its answer.
///
/// `request` must be such a one.
fn kvm(fd: BorrowedFd<'_>, request: u32) -> io::Result<libc::c_int> {
    let request = request as libc::Ioctl;
    // SAFETY: the argument is a number, not an address.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request, 0) })
}

/// [`kvm`], answered with a new descriptor.
pub fn kvm_new(fd: BorrowedFd<'_>, request: u32) -> io::Result<OwnedFd> {
    let new = kvm(fd, request)?;
    // SAFETY: KVM has just made it and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(new) })
}

/// [`kvm`], answered with nothing.
pub fn kvm_order(fd: BorrowedFd<'_>, request: u32) -> io::Result<()> {
    kvm(fd, request).map(drop)
}

/// What a new process becomes.
pub struct Image {
    /// Path of the file to execute.
    pub program: CString,
    /// Its arguments, `argv[0]` included.
    pub arguments: Vec<CString>,
    /// Its whole environment.
    pub environment: Vec<CString>,
}

impl Image {
    /// Replaces the calling process; returns only when that fails.
    ///
    /// Unlike `execvp` it never falls back to a shell for a file that the kernel does not recognise.
    fn execute(&self) -> io::Error {
        let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
            let ends = std::iter::once(std::ptr::null());
            strings.iter().map(|s| s.as_ptr()).chain(ends).collect()
        };
        let arguments = pointers(&self.arguments);
        let environment = pointers(&self.environment);
        // SAFETY: all three are arrays of pointers to terminated strings, the last two ended by a
        // null pointer, and everything they point to is borrowed from `self` for the whole call.
        unsafe {
            libc::execve(
                self.program.as_ptr(),
                arguments.as_ptr(),
                environment.as_ptr(),
            )
        };
        io::Error::last_os_error()
    }
}

/// A started process.
pub struct Spawned {
    /// The process, a child of the caller.
    pub pid: Pid,
    /// Its process group, which it does not lead.
    pub group: Pid,
}

/// Starts a process with these standard streams that calls `prepare` and then becomes `image`.
///
/// `prepare` is called in a process in between that is gone when this returns: where it makes a session, the
/// program is in it and leads neither it nor its process group, as under a shell. A leader could make no session
/// or group of its own, which some tests have to.
///
/// `std::process::Command` would do, but for that and for its size. The error is that of `prepare` or of
/// executing `image`.
pub fn spawn(
    streams: [BorrowedFd<'_>; 3],
    prepare: impl FnOnce() -> io::Result<()>,
    image: &Image,
) -> io::Result<Spawned> {
    let (report, reporter) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    // SAFETY: the calling process has one thread (see the head of this file), so the copy of it holds no lock of
    // a thread that is gone, and may allocate and call what it likes.
    let between = check(unsafe { libc::fork() })?;
    if between == 0 {
        let error = match set_up(streams)
            .and_then(|()| prepare())
            .and_then(|()| sibling())
        {
            Ok(0) => image.execute(),
            // A positive number is the program's process, a negative one an error.
            Ok(pid) => leave(&reporter, pid),
            Err(error) => error,
        };
        leave(&reporter, -error.raw_os_error().unwrap_or(libc::EIO))
    }
    drop(reporter);
    let group = Pid::from_raw(between).expect("fork returns a positive number to the parent");
    let _ = waitpid(Some(group), WaitOptions::empty());
    let mut report = std::fs::File::from(report);
    let (mut pid, mut error) = (None, None);
    let mut number = [0; 4];
    // Both ends are closed when the program runs or both processes are gone.
    while report.read_exact(&mut number).is_ok() {
        match i32::from_ne_bytes(number) {
            negative @ ..0 => error = Some(io::Error::from_raw_os_error(-negative)),
            number => pid = Pid::from_raw(number),
        }
    }
    match (pid, error) {
        (Some(pid), None) => Ok(Spawned { pid, group }),
        (pid, error) => {
            if let Some(pid) = pid {
                let _ = waitpid(Some(pid), WaitOptions::empty());
            }
            Err(error.unwrap_or_else(|| io::ErrorKind::Interrupted.into()))
        }
    }
}

/// Forks a process that is a child of the caller's parent. Returns 0 in it.
fn sibling() -> io::Result<libc::pid_t> {
    let flags = libc::CLONE_PARENT | libc::SIGCHLD;
    // SAFETY: without a stack of its own and without CLONE_VM this is a fork, of a process with one thread; what the
    // C library caches of a process it looks up again when the program is executed, which is all that follows.
    let result = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match libc::pid_t::try_from(result) {
        Ok(pid) if pid >= 0 => Ok(pid),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ends the calling process with a number for [`spawn`].
fn leave(reporter: &OwnedFd, number: i32) -> ! {
    // Whoever reads it finds out by the end of the pipe if this cannot be written.
    let _ = rustix::io::write(reporter, &number.to_ne_bytes());
    // SAFETY: ends this copy of the process at once, without what the original registered for its own end.
    unsafe { libc::_exit(127) }
}

/// Gives the calling process its streams and an empty signal mask.
fn set_up(streams: [BorrowedFd<'_>; 3]) -> io::Result<()> {
    // Out of the way first: a stream may itself have the number of another.
    let [stdin, stdout, stderr] = streams.map(|fd| rustix::io::fcntl_dupfd_cloexec(fd, 3));
    rustix::stdio::dup2_stdin(stdin?)?;
    rustix::stdio::dup2_stdout(stdout?)?;
    rustix::stdio::dup2_stderr(stderr?)?;
    let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `none` is valid for writes and `sigemptyset` initialises all of it before it is read; the old mask is
    // not asked for.
    check(unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut())
    })
    .map(drop)
}

/// Gives the calling process a copy of the mount table of its own.
pub fn own_mount_table() -> io::Result<()> {
    // SAFETY: only the mount namespace (and with it the root and current directory, which follow) is
    // unshared; the table of file descriptors, which is what makes the call unsafe, is not.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }?;
    Ok(())
}

/// Forks a child that does nothing but exit with `code`.
pub fn fork_exit(code: u8) -> io::Result<Pid> {
    // SAFETY: the child calls nothing but `_exit`, which is safe after `fork` in any process.
    let pid = check(unsafe {
        let pid = libc::fork();
        if pid == 0 {
            libc::_exit(i32::from(code));
        }
        pid
    })?;
    Ok(Pid::from_raw(pid).expect("fork returns a positive number to the parent"))
}
