//! The results as bars, for people who look before they read.

use crate::machine;
use crate::report::{Measured, Row, Unit};

const WIDTH: usize = 860;
const LEFT: usize = 330;
const BAR: usize = 18;
const GAP: usize = 14;
/// The longest bar.
const LONGEST: f64 = 350.0;
const COLOURS: [&str; 4] = ["#2f6f4f", "#b5533c", "#4a6fa5", "#8a7a55"];

/// An SVG of the rows. Bars of one row are to scale with each other; what is shorter takes less time, or does less.
pub fn draw(rows: &[Row]) -> String {
    let (mut body, mut top) = (String::new(), 48);
    for row in rows.iter().filter(|row| row.measured.len() > 1) {
        let middle = top + row.measured.len() * BAR / 2 + 4;
        let better = if row.unit == Unit::PerSecond { "more is better" } else { "less is better" };
        body += &text(12, middle - 6, "row", &row.name);
        body += &text(12, middle + 9, "note", better);
        let most = row.measured.iter().map(Measured::median).fold(0.0, f64::max);
        for (number, measured) in row.measured.iter().enumerate() {
            let length = (LONGEST * measured.median() / most).max(1.0);
            let colour = COLOURS[number % COLOURS.len()];
            body += &format!(
                "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{length:.0}\" height=\"{}\" fill=\"{colour}\"/>\n",
                BAR - 3
            );
            let label = format!("{} {}", measured.name, number_of(measured.median(), row.unit));
            body += &text(LEFT + length as usize + 6, top + BAR - 6, "label", &label);
            top += BAR;
        }
        top += GAP;
    }
    let title = format!("Medians of one run, {}, {}", machine::today(), machine::kind());
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <style>.label{{font-size:12px}}.note{{font-size:11px;fill:#777}}.title{{font-size:16px;font-weight:bold}}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{title}{body}</svg>\n",
        height = top + 8,
        title = text(12, 26, "title", &title),
    )
}

fn number_of(number: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond => format!("{:.0} thousand a second", number / 1e3),
        Unit::Percent => format!("{number:.2} %"),
        Unit::Micros => format!("{number:.1} µs"),
        Unit::Nanos if number >= 1e3 => format!("{:.1} µs", number / 1e3),
        Unit::Nanos => format!("{number:.0} ns"),
    }
}

fn text(x: usize, y: usize, class: &str, words: &str) -> String {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    format!("<text x=\"{x}\" y=\"{y}\" class=\"{class}\">{words}</text>\n")
}
