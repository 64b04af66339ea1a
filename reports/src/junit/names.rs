//! Names that no two test cases share.

use std::collections::HashMap;

/// The (class name, name) pairs given so far, each with the last number tried for it.
#[derive(Default)]
pub(super) struct Names(HashMap<(String, String), u64>);

impl Names {
    /// `name`, with ` #2`, ` #3` ... behind it if `class` already has it.
    pub fn unique(&mut self, class: &str, name: String) -> String {
        let key = (class.to_owned(), name);
        let Some(&last) = self.0.get(&key) else {
            let name = key.1.clone();
            self.0.insert(key, 1);
            return name;
        };
        let (number, unique) = (last + 1..)
            .map(|n| (n, (key.0.clone(), format!("{} #{n}", key.1))))
            .find(|(_, candidate)| !self.0.contains_key(candidate))
            .expect("the names given so far are finite");
        let name = unique.1.clone();
        self.0.insert(unique, 1);
        self.0.insert(key, number);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_added_only_where_it_is_needed_and_free() {
        let mut names = Names::default();
        let given: Vec<_> = [
            ("c", "a"),
            ("c", "a #2"),
            ("c", "a"),
            ("c", "a"),
            ("d", "a"),
            ("c", "a #2"),
        ]
        .into_iter()
        .map(|(class, name)| names.unique(class, name.into()))
        .collect();
        assert_eq!(given, ["a", "a #2", "a #3", "a #4", "a", "a #2 #2"]);
    }
}
