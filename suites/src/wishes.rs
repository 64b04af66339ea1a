//! What a selection wants of a kernel's configuration.

use crate::{
    Fragment, Kselftest, Need, SelectError, Selected, Selection, Sources,
    kselftest::{Installed, SELFTESTS},
    select::{matching, push_new},
    spec::KSELFTEST,
    suite::{KUNIT, MANIFEST, Suites},
};

impl Selection {
    /// What the selected tests want of a kernel's configuration. Nothing is built for it.
    ///
    /// # Errors
    /// [`SelectError`].
    pub fn fragment(&self, sources: &Sources<'_>) -> Result<Fragment, SelectError> {
        let mut fragment = Fragment::default();
        if let Some(first) = self.suites.iter().find(|s| s.is_kselftest()) {
            let (dir, collections) = match sources.kselftest {
                Kselftest::None => {
                    return Err(SelectError::NoKselftest {
                        spec: first.to_string(),
                    });
                }
                Kselftest::Tree { tree, .. } => {
                    let collections = self.collections(tree, &mut Selected::default())?;
                    (tree.root().join(SELFTESTS), collections)
                }
                Kselftest::Installed(dir) => {
                    let installed = Installed::read(dir, &sources.guest)?;
                    let mut collections = Vec::new();
                    for test in installed.tests {
                        let asked = self.suites.iter().any(|s| s.wanted.matches(&test.id));
                        let left_out = self.skips.iter().any(|skip| skip.matches(&test.id));
                        if asked && !left_out {
                            push_new(&mut collections, test.id.group.unwrap_or_default());
                        }
                    }
                    (dir.to_owned(), collections)
                }
            };
            for name in &collections {
                let by = format!("{KSELFTEST}:{name}");
                fragment.read_file(&dir.join(name).join("config"), &by);
            }
        }
        let mut suites = Suites::new(
            &self.suites,
            sources.places,
            sources.guest,
            sources.cancelled,
        );
        for spec in &self.suites {
            match spec.suite() {
                KUNIT => {
                    fragment.want("KUNIT", "y", KUNIT);
                    fragment.want("DEBUG_FS", "y", KUNIT);
                    fragment.want("KUNIT_DEBUGFS", "y", KUNIT);
                }
                MANIFEST => {
                    for test in matching(suites.tests(spec)?, &spec.wanted).1 {
                        for symbol in test.needs.iter().filter_map(Need::symbol) {
                            fragment.want(symbol, "y", &test.id.to_string());
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(fragment)
    }
}
