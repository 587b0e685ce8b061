//! The view at the two sizes that it has to look right at, as it was looked at when these were written.

use hallpass_protocol::auth::VerifierReport;

use super::history::History;
use super::json::TopView;
use super::screen::Screen;
use crate::ctl::metrics::sample::sample;

fn history() -> History {
    let mut history = History::default();
    for second in (1..=8).chain([12, 14, 15]) {
        history.add(sample(second));
    }
    history
}

fn shown(history: &History, trouble: Option<&str>, (width, height): (usize, usize)) -> Vec<String> {
    let sight = history.sight().unwrap();
    let socket = "/run/hallpass/admin.sock";
    Screen { sight: &sight, history, trouble, clock: "22:13:20Z", socket }.lines(width, height)
}

/// `HALLPASS_WRITE_PAGES=1` writes them anew, to be looked at before they are kept.
fn compare(name: &str, lines: &[String]) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ctl/top").join(name);
    let lines: Vec<_> = lines.iter().map(|line| line.trim_end()).collect();
    let text = lines.join("\n") + "\n";
    if std::env::var_os("HALLPASS_WRITE_PAGES").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "{name}");
}

#[test]
fn it_fits_a_small_and_a_large_terminal() {
    for (name, size) in [("80x24.txt", (80, 24)), ("200x50.txt", (200, 50))] {
        let lines = shown(&history(), None, size);
        compare(name, &lines);
        assert_eq!(lines.len(), size.1);
        assert!(lines.iter().all(|line| line.chars().count() <= size.0), "{lines:#?}");
        assert!(!lines.concat().contains('\u{1b}'), "no name moves the cursor");
    }
}

#[test]
fn it_fits_whatever_size_there_is() {
    for width in [0, 1, 10, 79, 81, 300] {
        for height in [0, 1, 5, 15, 35, 36, 100] {
            let lines = shown(&history(), Some("nobody is there"), (width, height));
            assert_eq!(lines.len(), height, "{width}x{height}");
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{width}x{height}");
        }
    }
}

#[test]
fn a_daemon_that_is_away_is_said_and_one_that_comes_back_begins_anew() {
    let mut history = history();
    history.miss();
    let lines = shown(&history, Some("hallpassd is not running\u{1b}[2J"), (80, 24));
    assert_eq!(lines[1], "No answer, trying again: hallpassd is not running\\u{1b}[2J");
    let mut again = sample(1);
    again.started = hallpass_protocol::time::Millis::from_u64(again.started.as_u64() + 60_000);
    history.add(again.clone());
    assert!(!history.has_interval(), "what came before is of another daemon");
    again.uptime_micros += 1_000_000;
    history.add(again);
    assert_eq!(shown(&history, None, (80, 24))[1], "");
    let sight = history.sight().unwrap();
    assert!(super::sight::LINES.iter().all(|line| sight.rate(*line) == 0.0), "nothing has happened since");
}

#[test]
fn rates_are_those_of_the_last_interval_and_failures_those_of_the_window() {
    let history = history();
    let json = serde_json::to_value(TopView::from(&history.sight().unwrap())).unwrap();
    assert_eq!((&json["interval_seconds"], &json["window_seconds"]), (&1.0.into(), &14.0.into()));
    assert_eq!(json["per_second"]["verifications"], 24_043.0);
    assert_eq!(json["per_second"]["logins"], 4.0);
    assert_eq!(json["per_second"]["revocations"], 3.0);
    // Calls that were refused and tokens that were, by the same code.
    assert_eq!(json["failures"]["expired"], 14 * 44);
    assert_eq!(json["apps"][0]["app"], "shop");
    assert_eq!(json["hash_threads"], 3);
    assert_eq!(json["verifiers_per_second"]["memory"], 98_700.0);
}

#[test]
fn with_one_answer_all_is_since_the_start() {
    let mut history = History::default();
    history.add(sample(4));
    let sight = history.sight().unwrap();
    assert_eq!((sight.seconds, sight.window), (4.0, 4.0));
    let json = serde_json::to_value(TopView::from(&sight)).unwrap();
    assert_eq!(json["per_second"]["refreshes"], 125.0);
}

#[test]
fn an_app_that_claims_everything_hides_no_other() {
    let mut history = History::default();
    for second in [1, 3] {
        let mut metrics = sample(second);
        let mut other = metrics.apps[0].clone();
        let claimed = VerifierReport { memory: u64::MAX, ..VerifierReport::default() };
        (metrics.apps[0].verifier, other.app) = (claimed, "another".to_owned());
        other.verifier = VerifierReport { memory: second * 100, ..VerifierReport::default() };
        metrics.apps.push(other);
        history.add(metrics);
    }
    let shown: Vec<_> = history.sight().unwrap().verifiers().map(|(_, rate)| rate).into();
    assert!((shown[0] - 100.0).abs() < 1.0, "{shown:?}");
}
