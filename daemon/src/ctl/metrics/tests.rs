//! The text is what the format asks for, and the names are those that the dashboard asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;

use super::openmetrics::text;
use super::sample::sample;
use super::{MetricsView, put};

/// Families by name: their kind, and the values of their samples by what stands before the value.
struct Parsed(BTreeMap<String, (String, Vec<(String, String)>)>);

/// Reads the text as strictly as the format is written down: one family after the other, each sample under its own, `# EOF` last.
fn parse(text: &str) -> Parsed {
    let (mut families, mut current, mut ended) = (BTreeMap::new(), String::new(), false);
    for line in text.lines() {
        assert!(!ended, "something stands behind the end: {line}");
        let words: Vec<_> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "EOF"] => ended = true,
            ["#", "HELP" | "UNIT", name, rest] => {
                assert!(!rest.is_empty() && !rest.contains('\\'), "{line}");
                current = name.to_owned();
            }
            ["#", "TYPE", name, kind] => {
                let known = families.insert(name.to_owned(), (kind.to_owned(), Vec::new()));
                assert!(known.is_none(), "{name} comes twice");
                current = name.to_owned();
            }
            _ => {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let (kind, samples) = families.get_mut(&current).unwrap();
                let suffixes: &[&str] = match kind.as_str() {
                    "counter" => &["_total"],
                    "histogram" => &["_bucket", "_sum", "_count"],
                    "gauge" => &[""],
                    other => panic!("{other}"),
                };
                let name = series.split('{').next().unwrap();
                let fits = suffixes.iter().any(|suffix| name == format!("{current}{suffix}"));
                assert!(fits, "{name} stands under {current}, a {kind}");
                assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
                samples.push((series.to_owned(), value.to_owned()));
            }
        }
    }
    assert!(ended && text.ends_with("# EOF\n"));
    Parsed(families)
}

impl Parsed {
    fn value(&self, series: &str) -> &str {
        let mut all = self.0.values().flat_map(|(_, samples)| samples);
        &all.find(|(name, _)| name == series).unwrap_or_else(|| panic!("there is no {series}")).1
    }
}

#[test]
fn the_text_is_what_the_format_asks_for() {
    let text = text(sample(10));
    let parsed = parse(&text);
    assert!(parsed.0.keys().all(|name| name.starts_with("hallpass_")), "{:?}", parsed.0.keys());
    for (series, value) in [
        ("build_info{version=\"0.1.0\"}", "1.0"),
        ("start_time_seconds", "1700000000.0"),
        ("requests_total{operation=\"login\",outcome=\"invalid_credentials\"}", "10"),
        ("verifications_total{outcome=\"ok\"}", "240000"),
        ("app_requests_total{app=\"shop\"}", "9000"),
        ("verifier_verifications_total{app=\"shop\",way=\"memory\"}", "987000"),
        ("verifier_verifications_total{app=\"shop\",way=\"stale\"}", "0"),
        ("revocations_total{kind=\"reuse\"}", "10"),
        ("board_raises_total{what=\"slot\"}", "140"),
        ("database_size_bytes", "1589248.0"),
        ("commit_batch_size_bucket{le=\"2.0\"}", "980"),
    ] {
        assert_eq!(parsed.value(&format!("hallpass_{series}")), value, "{series}");
    }
    let (_, reported) = &parsed.0["hallpass_verifier_verifications"];
    assert_eq!(reported.len(), 4, "apps that do not report have no lines");
}

#[test]
fn buckets_rise_to_all_there_are_and_times_are_seconds() {
    let parsed = parse(&text(sample(10)));
    let of_verify =
        |suffix: &str| format!("hallpass_request_duration_seconds_{suffix}{{operation=\"verify\"}}");
    assert_eq!((parsed.value(&of_verify("count")), parsed.value(&of_verify("sum"))), ("12360", "0.14832"));
    let (_, samples) = &parsed.0["hallpass_request_duration_seconds"];
    let of_verify =
        samples.iter().filter(|(name, _)| name.contains("_bucket") && name.contains("\"verify\""));
    let counts: Vec<u64> = of_verify.clone().map(|(_, count)| count.parse().unwrap()).collect();
    assert!(counts.is_sorted() && counts.len() == 37, "{counts:?}");
    let (first, last) = (of_verify.clone().next().unwrap(), of_verify.clone().next_back().unwrap());
    assert!(first.0.contains("le=\"1e-7\""), "{first:?}");
    assert!(last.0.contains("le=\"+Inf\"") && last.1 == "12360", "{last:?}");
}

#[test]
fn every_name_in_the_dashboard_exists() {
    let dashboard: serde_json::Value =
        serde_json::from_str(include_str!("../../../../packaging/grafana/hallpass.json")).unwrap();
    let queries = queries(&dashboard);
    assert!(queries.len() > 10, "{queries:?}");
    let parsed = parse(&text(sample(10)));
    let exist: BTreeSet<String> = parsed
        .0
        .values()
        .flat_map(|(_, samples)| samples)
        .map(|(series, _)| series.split('{').next().unwrap().to_owned())
        .collect();
    for query in queries {
        let names = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let names: Vec<_> = names.filter(|word| word.starts_with("hallpass_")).collect();
        assert!(!names.is_empty(), "{query}");
        for name in names {
            assert!(exist.contains(name), "the dashboard asks for {name}, which does not exist");
        }
    }
}

/// Every `expr` in it.
fn queries(value: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| match value.as_str() {
                Some(query) if name == "expr" => vec![query.to_owned()],
                _ => queries(value),
            })
            .collect(),
        serde_json::Value::Array(items) => items.iter().flat_map(queries).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn json_has_the_same_counts() {
    let metrics = sample(10);
    let json = serde_json::to_value(MetricsView::from(&metrics)).unwrap();
    assert_eq!(json["started"], 1_700_000_000);
    assert_eq!(json["operations"][1]["outcomes"]["invalid_credentials"], 10);
    assert_eq!(json["operations"][1]["duration_seconds"]["count"], 40);
    let buckets = json["operations"][1]["duration_seconds"]["buckets"].as_array().unwrap();
    assert_eq!(buckets.last().unwrap()["count"], 40);
    assert_eq!(json["sessions"]["revocations"]["revoked"], 20);
    assert_eq!(json["apps"][0]["verifier"]["signature"], 12_000);
    assert_eq!(json["passwords"]["threads"], 3);
}

#[test]
fn a_file_is_replaced_in_one_step_and_nothing_else_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hallpass.prom");
    put(&path, b"one").unwrap();
    let before = std::fs::File::open(&path).unwrap();
    put(&path, b"two").unwrap();
    assert_eq!(
        std::io::read_to_string(before).unwrap(),
        "one",
        "whoever reads goes on reading what they opened"
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"two");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    assert!(put(&dir.path().join("nowhere/x"), b"three").is_err());
    std::fs::create_dir(dir.path().join("taken")).unwrap();
    assert!(put(&dir.path().join("taken"), b"four").is_err());
    assert_eq!(dir.path().read_dir().unwrap().count(), 2, "nothing half done is left");
}
