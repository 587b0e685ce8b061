//! Columns that fit the terminal, and blocks of labelled values.

use std::io::{self, Write};

use super::text::neutral;

/// Between two columns.
const GAP: usize = 2;
/// No column is cut to less than this.
const LEAST: usize = 6;

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// What stands above it.
    pub(super) title: &'static str,
    /// Whether a long value may be cut: of an identifier every character is needed.
    pub(super) cut: bool,
}

/// A table that comes page by page; its columns widen as wider values come.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    columns: [Column; N],
    widths: [usize; N],
    started: bool,
}

impl<const N: usize> Table<N> {
    pub(super) fn new(columns: [Column; N]) -> Self {
        Self { columns, widths: columns.map(|column| column.title.len()), started: false }
    }

    /// The lines of one more page, under a header if it is the first. `width` is that of the terminal, if the table goes to one, and `head` makes a
    /// header of the titles.
    pub(super) fn page(
        &mut self,
        width: Option<usize>,
        rows: impl IntoIterator<Item = [String; N]>,
        head: impl FnOnce(&str) -> String,
    ) -> Vec<String> {
        let rows: Vec<[String; N]> = rows.into_iter().map(|row| row.map(|cell| neutral(&cell))).collect();
        for row in &rows {
            for (widest, cell) in self.widths.iter_mut().zip(row) {
                *widest = (*widest).max(cell.chars().count());
            }
        }
        let widths = self.fitted(width);
        let is_first = !std::mem::replace(&mut self.started, true);
        let header =
            is_first.then(|| head(&line(&widths, &self.columns.map(|column| column.title.to_owned()))));
        header.into_iter().chain(rows.iter().map(|row| line(&widths, row))).collect()
    }

    /// The widths to print with: the widest column that may be cut gives way first.
    fn fitted(&self, width: Option<usize>) -> [usize; N] {
        let mut widths = self.widths;
        let Some(width) = width else { return widths };
        while widths.iter().sum::<usize>() + GAP * (N - 1) > width {
            let widest = (0..N)
                .filter(|&column| self.columns[column].cut && widths[column] > LEAST)
                .max_by_key(|&column| widths[column]);
            let Some(widest) = widest else { break };
            widths[widest] -= 1;
        }
        widths
    }
}

fn line<const N: usize>(widths: &[usize; N], cells: &[String; N]) -> String {
    let mut text = String::new();
    for (&width, cell) in widths.iter().zip(cells) {
        let length = cell.chars().count();
        if length > width {
            text.extend(cell.chars().take(width.saturating_sub(1)));
            text.push('…');
        } else {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width - length));
        }
        text.extend(std::iter::repeat_n(' ', GAP));
    }
    text.truncate(text.trim_end().len());
    text
}

/// Prints values under each other, each behind its label.
pub(super) fn block(to: &mut dyn Write, rows: &[(&str, String)]) -> io::Result<()> {
    let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    rows.iter().try_for_each(|(label, value)| writeln!(to, "  {label:width$}  {}", neutral(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(width: Option<usize>, pages: &[&[[&str; 3]]]) -> String {
        let column = |title, cut| Column { title, cut };
        let mut table = Table::new([column("ID", false), column("NAME", true), column("DEVICE", true)]);
        let mut lines = Vec::new();
        for page in pages {
            lines.extend(table.page(width, page.iter().map(|row| row.map(str::to_owned)), str::to_owned));
        }
        lines.join("\n") + "\n"
    }

    #[test]
    fn columns_line_up_and_no_line_ends_in_spaces() {
        let rows = [["1", "al", ""], ["22", "béa", "phone"]];
        assert_eq!(printed(None, &[&rows]), "ID  NAME  DEVICE\n1   al\n22  béa   phone\n");
    }

    #[test]
    fn the_widest_column_that_may_be_cut_gives_way() {
        let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
        let text = printed(Some(48), &[&[[id, "alexandra", "a rather long device label"]]]);
        assert_eq!(
            text,
            "ID                          NAME       DEVICE\n\
             01ARZ3NDEKTSV4RRFFQ69G5FAV  alexandra  a rather…\n"
        );
        assert!(text.lines().all(|line| line.chars().count() <= 48));
        assert!(printed(Some(10), &[&[[id, "alexandra", "x"]]]).contains(id), "identifiers are never cut");
    }

    #[test]
    fn the_header_stands_once_over_all_pages() {
        let text = printed(None, &[&[["1", "a", "x"]], &[["2", "longer name", "y"]]]);
        assert_eq!(text, "ID  NAME  DEVICE\n1   a     x\n2   longer name  y\n");
    }

    #[test]
    fn escapes_are_written_out_before_widths_are_taken() {
        assert_eq!(
            printed(None, &[&[["1", "\u{1b}[2J", "x"]]]),
            "ID  NAME       DEVICE\n1   \\u{1b}[2J  x\n"
        );
    }

    #[test]
    fn blocks_align_their_values() {
        let mut to = Vec::new();
        block(&mut to, &[("a", "1".into()), ("long", "2\n3".into())]).unwrap();
        assert_eq!(String::from_utf8(to).unwrap(), "  a     1\n  long  2\\u{a}3\n");
    }
}
