//! From the tests to all the files that they need.

use super::{
    elf,
    script::{self, MAX_SCRIPT},
    tree::{Added, Tree},
    usual::{LIBRARY_DIRECTORIES, MAX_FILES, MAX_GUESS, NEVER, OF_SHELLS, USUAL},
};
use std::{
    collections::{BTreeSet, HashMap},
    ffi::{OsStr, OsString},
    fs,
    io::{self, Read},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};
use suites::{Program, Test};
use walkdir::WalkDir;

/// Everything that tests need, as far as it can be read off.
pub struct Closure {
    /// What is packed.
    pub tree: Tree,
    /// What the host lacks as well, plain sentences.
    pub warnings: BTreeSet<String>,
    path: Vec<PathBuf>,
    libraries: Vec<PathBuf>,
    queue: Vec<Added>,
    has_shell: bool,
    /// What libraries at these host paths are for; every program asks for the same ones.
    kinds: HashMap<PathBuf, Option<elf::Kind>>,
}

/// What a run asks for besides its tests.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Host directory that would be the root.
    pub root: &'a Path,
    /// Further directories, host and guest path; all of their files are packed.
    pub shares: &'a [(PathBuf, PathBuf)],
    /// Environment of every test.
    pub env: &'a [(OsString, OsString)],
    /// Working directory of tests that have none of their own.
    pub cwd: &'a Path,
    /// Files that are compared, guest paths.
    pub files: &'a [PathBuf],
}

impl Closure {
    /// Finds what `tests` need.
    ///
    /// # Errors
    /// When the host's files cannot be read.
    pub fn of(tests: &[Test], wanted: &Wanted<'_>) -> io::Result<Self> {
        let mut closure = Self::new(wanted);
        for path in USUAL
            .iter()
            .map(Path::new)
            .chain(wanted.files.iter().map(PathBuf::as_path))
        {
            closure.file(path)?;
        }
        closure.tree.directory(wanted.cwd);
        for (_, guest) in wanted.shares {
            closure.directory(guest)?;
        }
        for test in tests {
            closure.test(test, wanted)?;
        }
        while let Some(added) = closure.queue.pop() {
            closure.follow(&added)?;
        }
        Ok(closure)
    }

    fn new(wanted: &Wanted<'_>) -> Self {
        let directories = |name: &str| -> Vec<PathBuf> {
            let value = wanted.env.iter().rfind(|(other, _)| other == name);
            value.map_or_else(Vec::new, |(_, value)| {
                std::env::split_paths(value)
                    .filter(|path| path.is_absolute())
                    .collect()
            })
        };
        let tree = Tree::new(wanted.root, wanted.shares);
        let mut libraries = directories("LD_LIBRARY_PATH");
        libraries.extend(configured(&tree, Path::new("/etc/ld.so.conf"), 0));
        libraries.extend(LIBRARY_DIRECTORIES.iter().map(PathBuf::from));
        Self {
            tree,
            warnings: BTreeSet::new(),
            path: directories("PATH"),
            libraries,
            queue: Vec::new(),
            has_shell: false,
            kinds: HashMap::new(),
        }
    }

    fn test(&mut self, test: &Test, wanted: &Wanted<'_>) -> io::Result<()> {
        let cwd = test.cwd.as_deref().unwrap_or(wanted.cwd);
        self.tree.directory(cwd);
        // Tests of a suite stand among their own files. Where a command stands can be anywhere.
        if test.cwd.is_some() {
            self.directory(cwd)?;
        }
        let Program::Exec(words) = &test.program else {
            return Ok(());
        };
        let Some(program) = words.first() else {
            return Ok(());
        };
        let found = match program.as_bytes().contains(&b'/') {
            true => self.file(&cwd.join(program))?,
            false => self.command(program, u64::MAX)?,
        };
        if found && let Some(directory) = Path::new(program).parent() {
            self.libraries_of(&cwd.join(directory))?;
        }
        for word in &words[1..] {
            self.words(word.as_bytes(), cwd, u64::MAX)?;
        }
        Ok(())
    }

    /// A directory named `lib` beside a program is packed with it: `$ORIGIN/lib` is where programs keep their own.
    fn libraries_of(&mut self, directory: &Path) -> io::Result<()> {
        let beside = directory.join("lib");
        match self.tree.host(&beside).is_dir() && !self.is_system(&beside) {
            true => self.directory(&beside),
            false => Ok(()),
        }
    }

    fn is_system(&self, guest: &Path) -> bool {
        ["/lib", "/usr/lib", "/usr/local/lib"]
            .iter()
            .any(|system| guest == Path::new(system))
    }

    /// Adds a file and remembers to look into it. Whether there is one.
    fn file(&mut self, guest: &Path) -> io::Result<bool> {
        let Some(added) = self.tree.add(guest)? else {
            return Ok(false);
        };
        if added.new {
            self.queue.push(added);
        }
        Ok(true)
    }

    /// Adds the program that a bare name means, unless it has more than `limit` bytes.
    fn command(&mut self, name: &OsStr, limit: u64) -> io::Result<bool> {
        for directory in self.path.clone() {
            let guest = directory.join(name);
            let fits = |metadata: &fs::Metadata| {
                use std::os::unix::fs::PermissionsExt;
                metadata.is_file()
                    && metadata.len() <= limit
                    && metadata.permissions().mode() & 0o111 != 0
            };
            // Links may lead elsewhere in another root: there the name is packed, and the guest finds it or not.
            let metadata = fs::metadata(self.tree.host(&guest));
            if metadata.is_ok_and(|metadata| fits(&metadata)) {
                return self.file(&guest);
            }
        }
        Ok(false)
    }

    /// Adds a directory with everything in it.
    fn directory(&mut self, guest: &Path) -> io::Result<()> {
        self.tree.directory(guest);
        let host = self.tree.host(guest);
        let walk = WalkDir::new(&host).sort_by_file_name();
        for (count, entry) in walk.into_iter().flatten().enumerate() {
            if count == MAX_FILES {
                self.warnings.insert(format!(
                    "of {} only the first {MAX_FILES} files are packed",
                    guest.display()
                ));
                break;
            }
            let Ok(below) = entry.path().strip_prefix(&host) else {
                continue;
            };
            let inside = guest.join(below);
            if entry.file_type().is_dir() {
                self.tree.directory(&inside);
            } else {
                self.file(&inside)?;
            }
        }
        Ok(())
    }

    /// Adds what the words of a text name: commands of at most `limit` bytes, files by absolute paths, files in the directory it
    /// stands in.
    fn words(&mut self, text: &[u8], cwd: &Path, limit: u64) -> io::Result<()> {
        for word in script::words(text) {
            let path = Path::new(word);
            if path.is_absolute() {
                if !NEVER.iter().any(|never| path.starts_with(never)) {
                    self.file(path)?;
                }
                continue;
            }
            let may_be_a_command = !word.contains('/');
            if may_be_a_command && self.command(word.as_ref(), limit)? {
                continue;
            }
            if !may_be_a_command || word.contains('.') {
                self.file(&cwd.join(path))?;
            }
        }
        Ok(())
    }

    /// Looks into a file that was added for what it needs in turn.
    fn follow(&mut self, added: &Added) -> io::Result<()> {
        let mut file = match fs::File::open(&added.host) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                self.warnings
                    .insert(format!("{} cannot be read: {e}", added.host.display()));
                self.tree.entries.remove(&added.guest);
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        let mut head = Vec::new();
        (&mut file).take(4).read_to_end(&mut head)?;
        let name = added.guest.file_name().unwrap_or_default();
        if head.starts_with(b"\x7fELF") {
            let content = fs::read(&added.host)?;
            self.libraries(added, &content)?;
        } else if head.starts_with(b"#!") || name.as_bytes().ends_with(b".sh") {
            file.take(MAX_SCRIPT as u64).read_to_end(&mut head)?;
            let directory = added.guest.parent().unwrap_or(Path::new("/"));
            self.interpreter(&head)?;
            self.words(&without_comments(&head), directory, MAX_GUESS)?;
        }
        self.companions(&added.guest)
    }

    /// The interpreter of a script.
    fn interpreter(&mut self, content: &[u8]) -> io::Result<()> {
        let Some(words) = script::shebang(content) else {
            return Ok(());
        };
        let interpreter = Path::new(&words[0]);
        if !self.file(interpreter)? {
            self.warnings
                .insert(format!("the interpreter {} is not there", words[0]));
        }
        if interpreter.file_name() == Some("env".as_ref()) {
            let name = words[1..]
                .iter()
                .find(|word| !word.starts_with('-') && !word.contains('='));
            if let Some(name) = name {
                self.command(name.as_ref(), u64::MAX)?;
            }
        }
        Ok(())
    }

    /// The program interpreter and the shared libraries of an ELF file.
    fn libraries(&mut self, added: &Added, content: &[u8]) -> io::Result<()> {
        let Some(dynamic) = elf::dynamic(content) else {
            return Ok(());
        };
        if let Some(interpreter) = &dynamic.interpreter {
            self.file(Path::new(interpreter))?;
        }
        let origin = added.guest.parent().unwrap_or(Path::new("/"));
        let own = dynamic.run_path.split(':').filter(|part| !part.is_empty());
        let mut places: Vec<PathBuf> = own
            .map(|part| {
                let origin = origin.to_string_lossy();
                PathBuf::from(
                    part.replace("$ORIGIN", &origin)
                        .replace("${ORIGIN}", &origin),
                )
            })
            .collect();
        places.extend(self.libraries.iter().cloned());
        for name in &dynamic.needed {
            let candidates: Vec<PathBuf> = match name.contains('/') {
                true => vec![origin.join(name)],
                false => places.iter().map(|place| place.join(name)).collect(),
            };
            let fits = |guest: &&PathBuf| self.kind(guest) == Some(dynamic.kind);
            match candidates.iter().find(fits) {
                Some(library) => {
                    self.file(library)?;
                }
                None => {
                    self.warnings.insert(format!(
                        "{} needs {name}, which is not there",
                        added.guest.display()
                    ));
                }
            }
        }
        Ok(())
    }

    /// What a library is for; `None` where there is none.
    fn kind(&mut self, guest: &Path) -> Option<elf::Kind> {
        let host = self.tree.host(guest);
        *self.kinds.entry(host).or_insert_with_key(|host| {
            let content = fs::read(host).ok()?;
            Some(elf::dynamic(&content)?.kind)
        })
    }

    /// What some programs open without saying so anywhere.
    fn companions(&mut self, guest: &Path) -> io::Result<()> {
        let name = guest.file_name().and_then(OsStr::to_str).unwrap_or("");
        let prefix = guest
            .parent()
            .and_then(Path::parent)
            .unwrap_or(Path::new("/"));
        match name {
            "dash" | "bash" | "sh" | "busybox" | "ksh" | "zsh" if !self.has_shell => {
                self.has_shell = true;
                for command in OF_SHELLS {
                    self.command(command.as_ref(), u64::MAX)?;
                }
                Ok(())
            }
            "libc.so.6" => {
                // Opened when a thread is cancelled or unwound.
                for directory in self.libraries.clone() {
                    if self.file(&directory.join("libgcc_s.so.1"))? {
                        break;
                    }
                }
                Ok(())
            }
            "stdbuf" => self.directory_if_there(&prefix.join("libexec/coreutils")),
            _ if name.starts_with("python3.") => {
                self.directory_if_there(&prefix.join("lib").join(name))
            }
            _ if name.starts_with("perl") => {
                for directory in self.libraries.clone() {
                    self.directory_if_there(&directory.join("perl-base"))?;
                }
                self.directory_if_there(&prefix.join("share/perl5"))
            }
            _ => Ok(()),
        }
    }

    fn directory_if_there(&mut self, guest: &Path) -> io::Result<()> {
        match self.tree.host(guest).is_dir() {
            // The first of two names of one directory is enough.
            true if !self.tree.entries.contains_key(guest) => self.directory(guest),
            _ => Ok(()),
        }
    }
}

/// Directories that `ld.so.conf` names (`ldconfig(8)`), with those of the files it includes.
fn configured(tree: &Tree, guest: &Path, depth: u32) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    let Ok(text) = fs::read_to_string(tree.host(guest)) else {
        return directories;
    };
    for line in text
        .lines()
        .map(|line| line.split('#').next().unwrap_or("").trim())
    {
        if let Some(pattern) = line.strip_prefix("include").map(str::trim) {
            let pattern = Path::new(pattern);
            let (Some(directory), true) = (pattern.parent(), depth < 4) else {
                continue;
            };
            let Ok(entries) = fs::read_dir(tree.host(directory)) else {
                continue;
            };
            let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
            names.retain(|name| name.as_bytes().ends_with(b".conf"));
            names.sort();
            for name in names {
                directories.extend(configured(tree, &directory.join(name), depth + 1));
            }
        } else if line.starts_with('/') {
            directories.push(line.into());
        }
    }
    directories
}

/// A script without the lines that are only remarks: their words are prose.
fn without_comments(content: &[u8]) -> Vec<u8> {
    let code = content
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.trim_ascii_start().starts_with(b"#"));
    code.fold(Vec::with_capacity(content.len()), |mut kept, line| {
        kept.extend_from_slice(line);
        kept.push(b'\n');
        kept
    })
}

#[cfg(test)]
#[path = "closure_tests.rs"]
mod tests;
