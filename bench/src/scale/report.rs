//! The measurements of every size beside each other.

use serde_json::{Value, json as value};

use crate::Outcome;

/// What was measured at one size, in order.
pub struct Column {
    size: usize,
    cells: Vec<(String, f64)>,
}

impl Column {
    /// Nothing yet.
    pub fn new(size: usize) -> Self {
        Self { size, cells: Vec::new() }
    }

    /// One more measurement.
    pub fn put(&mut self, what: &str, number: f64) {
        self.cells.push((what.to_owned(), number));
    }

    fn get(&self, what: &str) -> Option<f64> {
        self.cells.iter().find(|(name, _)| name == what).map(|(_, number)| *number)
    }
}

/// Everything that any size has, and how many times each size has what the first one has.
pub fn table(columns: &[Column]) -> String {
    let mut text = format!("\n{:<48}", "sessions");
    for column in columns {
        text += &format!("{:>20}", column.size);
    }
    let Some(first) = columns.first() else { return text };
    for (what, base) in &first.cells {
        text += &format!("\n{what:<48}");
        for column in columns {
            let cell = match column.get(what) {
                None => "-".to_owned(),
                Some(number) if column.size == first.size => shown(number),
                Some(number) => format!("{} (x{:.2})", shown(number), number / base),
            };
            text += &format!("{cell:>20}");
        }
    }
    text + "\n"
}

fn shown(number: f64) -> String {
    match number {
        number if number >= 1000.0 => format!("{number:.0}"),
        number if number >= 10.0 => format!("{number:.1}"),
        number => format!("{number:.2}"),
    }
}

/// The same as JSON.
pub fn json(columns: &[Column]) -> Outcome<String> {
    let column = |column: &Column| -> Value {
        let cells = column.cells.iter().map(|(what, number)| (what.clone(), value!(number)));
        value!({ "sessions": column.size, "measured": Value::Object(cells.collect()) })
    };
    Ok(serde_json::to_string_pretty(&value!({ "sizes": columns.iter().map(column).collect::<Vec<_>>() }))?)
}
