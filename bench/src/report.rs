//! What was measured, in a table and as JSON.

use serde_json::{Value, json};

use crate::{Outcome, machine};

/// Whom the others are compared with.
pub const OURS: &str = "Hallpass";

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds for one answer: less is better.
    Micros,
    /// Nanoseconds for one check: less is better.
    Nanos,
    /// Answers a second: more is better.
    PerSecond,
    /// A share of them all.
    Percent,
}

impl Unit {
    /// How it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Micros => "µs",
            Self::Nanos => "ns",
            Self::PerSecond => "/s",
            Self::Percent => "%",
        }
    }
}

/// One way of asking, and how everybody did.
pub struct Row {
    /// The way.
    pub name: String,
    /// What the numbers count.
    pub unit: Unit,
    /// Everybody, the one that others are compared with first.
    pub measured: Vec<Measured>,
}

/// How one of them did: a number for each round.
pub struct Measured {
    /// Who.
    pub name: String,
    /// The numbers.
    pub samples: Vec<f64>,
}

impl Measured {
    /// Nothing yet.
    pub fn of(name: &str) -> Self {
        Self { name: name.to_owned(), samples: Vec::new() }
    }

    /// The number in the middle.
    pub fn median(&self) -> f64 {
        median(&mut self.samples.clone())
    }

    fn spread(&self) -> (f64, f64) {
        let least = self.samples.iter().copied().fold(f64::INFINITY, f64::min);
        (least, self.samples.iter().copied().fold(0.0, f64::max))
    }

    /// How many times as good as this the first one was, from round to round: what disturbed a round disturbed both.
    fn ratio(&self, first: &Self, unit: Unit) -> f64 {
        let better =
            |(first, own): (&f64, &f64)| if unit == Unit::PerSecond { first / own } else { own / first };
        median(&mut first.samples.iter().zip(&self.samples).map(better).collect::<Vec<_>>())
    }
}

/// The number in the middle; nothing has none.
pub fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    match samples.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => samples[count / 2],
        count => f64::midpoint(samples[count / 2 - 1], samples[count / 2]),
    }
}

impl Row {
    /// Nothing of these yet.
    pub fn of(name: String, unit: Unit, measured: &[&str]) -> Self {
        Self { name, unit, measured: measured.iter().map(|name| Measured::of(name)).collect() }
    }

    /// A round: a number for each.
    pub fn add(&mut self, samples: Vec<f64>) {
        for (measured, sample) in self.measured.iter_mut().zip(samples) {
            measured.samples.push(sample);
        }
    }

    /// How many times as good as this one we were, where both were measured.
    fn times_as_good(&self, measured: &Measured) -> Option<f64> {
        let ours = self.measured.first().filter(|first| first.name == OURS && measured.name != OURS)?;
        Some(measured.ratio(ours, self.unit))
    }

    /// The row as text.
    pub fn line(&self) -> String {
        let mut line = format!("{:<46}", self.name);
        for measured in &self.measured {
            let (least, most) = measured.spread();
            let unit = self.unit.as_str();
            let median = measured.median();
            let digits = match self.unit {
                Unit::Percent => 3,
                _ if median < 1000.0 => 1,
                _ => 0,
            };
            line += &format!(
                "  {} {median:.digits$} {unit} ({least:.digits$} to {most:.digits$})",
                measured.name
            );
            if let Some(ratio) = self.times_as_good(measured) {
                line += &format!(" [{OURS} is {ratio:.2} times as good]");
            }
        }
        line
    }
}

/// Every row, one a line.
pub fn table(rows: &[Row]) -> String {
    let lines: Vec<String> = rows.iter().map(Row::line).collect();
    let (date, machine) = (machine::today(), machine::kind());
    format!(
        "\nMedians of the rounds, with the least and the most of them; {date}, {machine}:\n\n{}\n",
        lines.join("\n")
    )
}

/// Every number that was measured.
pub fn json(rows: &[Row]) -> Outcome<String> {
    let one = |row: &Row| -> Value {
        let measured: Vec<Value> = row
            .measured
            .iter()
            .map(|measured| {
                let (least, most) = measured.spread();
                json!({
                    "name": measured.name,
                    "median": measured.median(),
                    "least": least,
                    "most": most,
                    "hallpass_is_times_as_good": row.times_as_good(measured),
                    "samples": measured.samples,
                })
            })
            .collect();
        json!({ "name": row.name, "unit": row.unit.as_str(), "measured": measured })
    };
    let rows: Vec<Value> = rows.iter().map(one).collect();
    let (date, machine) = (machine::today(), machine::kind());
    Ok(serde_json::to_string_pretty(&json!({ "date": date, "machine": machine, "rows": rows }))?)
}
