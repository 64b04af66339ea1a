//! Figures in columns, and what is said of several runs.

/// The middle of `values`, and of an even number the upper middle; zero of none.
#[must_use]
pub fn median<T: Copy + Default + PartialOrd>(values: impl IntoIterator<Item = T>) -> T {
    let sorted = sorted(values);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// The greatest of `values`; zero of none.
#[must_use]
pub fn worst<T: Copy + Default + PartialOrd>(values: impl IntoIterator<Item = T>) -> T {
    sorted(values).last().copied().unwrap_or_default()
}

fn sorted<T: Copy + PartialOrd>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_by(|a, b| a.partial_cmp(b).expect("no figure is NaN"));
    values
}

/// Rows of words under `head`: the first column to the left, the others to the right.
#[must_use]
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].len());
        cells.chain([head[column].len()]).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in std::iter::once(&head.map(str::to_owned)).chain(rows) {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            text.push_str(&match column {
                0 => format!("{cell:width$}"),
                _ => format!("  {cell:>width$}"),
            });
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_worst_of_runs() {
        assert_eq!((median([3, 1, 2]), worst([3, 1, 2])), (2, 3));
        assert_eq!((median([4.0, 1.0]), worst([4.0, 1.0])), (4.0, 4.0));
        assert_eq!((median::<u64>([]), worst::<u64>([])), (0, 0));
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [["a".into(), "100".into()], ["long".into(), "-".into()]];
        assert_eq!(
            table(["what", "ms"], &rows),
            "what   ms\na     100\nlong    -\n"
        );
    }
}
