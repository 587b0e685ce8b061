//! Numbers for people: short, with their unit, and never wider than they need to be.

/// A time in nanoseconds, such as `12 µs`.
pub(in crate::ctl) fn duration(nanos: f64) -> String {
    let (size, unit) = match nanos {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "µs"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    format!("{} {unit}", digits(size))
}

/// How often, such as `12,345`; below ten with one digit behind the point.
pub(in crate::ctl) fn often(number: f64) -> String {
    if number < 9.95 { format!("{number:.1}") } else { grouped(whole(number)) }
}

/// A count with commas between thousands.
pub(in crate::ctl) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes, such as `1.5 GiB`.
#[expect(clippy::cast_precision_loss, reason = "two digits of it are shown")]
pub(in crate::ctl) fn bytes(count: u64) -> String {
    let mut size = count as f64;
    for unit in ["bytes", "KiB", "MiB", "GiB"] {
        if size < 1024.0 {
            return format!("{} {unit}", digits(size));
        }
        size /= 1024.0;
    }
    format!("{} TiB", digits(size))
}

/// Two digits at least, and none that nobody reads.
fn digits(size: f64) -> String {
    if size < 9.95 && size.fract() > 0.0 { format!("{size:.1}") } else { format!("{size:.0}") }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a conversion that would not fit takes the nearest number that does"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_their_unit() {
        for (nanos, text) in [
            (0.0, "0 ns"),
            (45.4, "45 ns"),
            (1_500.0, "1.5 µs"),
            (12e3, "12 µs"),
            (38.4e6, "38 ms"),
            (2e9, "2 s"),
        ] {
            assert_eq!(duration(nanos), text);
        }
        for (number, text) in
            [(0.0, "0.0"), (3.24, "3.2"), (9.96, "10"), (999.6, "1,000"), (1_234_567.0, "1,234,567")]
        {
            assert_eq!(often(number), text);
        }
        for (count, text) in
            [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (9_000_000_000, "8.4 GiB")]
        {
            assert_eq!(bytes(count), text);
        }
        assert_eq!(
            (grouped(7), grouped(1000), grouped(12_345_678)),
            ("7".into(), "1,000".into(), "12,345,678".into())
        );
    }
}
