//! What was measured, shown.

use std::time::{Duration, Instant};

use super::measure::Measured;
use super::report::{Against, Report};
use crate::ctl::render::Out;
use hallpass_protocol::time::Millis;

fn shown(json: bool, width: Option<usize>) -> String {
    let mut to = Vec::new();
    let mut out = Out { to: &mut to, json, now: Millis::default(), width, colour: false };
    let own = Against::Own { place: "/tmp/hallpass-bench/state".into(), hash_memory: 19 << 20 };
    let report = Report { seconds: 2, against: own };
    let measured = |name, callers, nanos: u64, count: usize| Measured {
        name,
        callers,
        count: count as u64,
        took: Duration::from_secs(2),
        nanos: (0..count as u64).map(|step| nanos + step * nanos / 100).collect(),
    };
    report.begin(&mut out).unwrap();
    Report::row(&mut out, &measured("verify in process", 1, 40, 100)).unwrap();
    Report::row(&mut out, &measured("verify by call", 64, 200_000, 100)).unwrap();
    Report::row(&mut out, &measured("login", 1, 40_000_000, 50)).unwrap();
    report.end(&mut out).unwrap();
    String::from_utf8(to).unwrap()
}

#[test]
fn percentiles_are_those_of_the_sorted_times() {
    let began = Instant::now();
    let measured = Measured::new("x", 1, 64, began, vec![(51..=100).collect(), (1..=50).rev().collect()]);
    assert_eq!([0.0, 0.5, 0.99, 1.0].map(|part| measured.quantile(part)), [1, 50, 99, 100]);
    assert_eq!(measured.count, 6400);
}

#[test]
fn the_table_fits_its_terminal() {
    for width in [80, 200] {
        let text = shown(false, Some(width));
        let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= width, "{longest}\n{text}");
    }
    let text = shown(false, None);
    assert!(text.contains("verify in process              59 ns   79 ns          50  "), "{text}");
    assert!(text.contains("Argon2id with 19 MiB"), "{text}");
}

#[test]
fn json_has_one_object_for_each_measurement() {
    let lines: Vec<serde_json::Value> =
        shown(true, None).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[0]["name"], &lines[0]["p50_nanos"]), (&"verify in process".into(), &59.into()));
    assert_eq!((&lines[1]["callers"], &lines[1]["per_second"]), (&64.into(), &50.0.into()));
}
