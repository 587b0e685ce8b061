//! Hashes that other programs have made, and hashes that nobody should compute.

use super::*;

const PASSWORD: &str = "Tr\u{f6}ub4dor & 3 horses";

/// Hashes of [`PASSWORD`] in UTF-8. Made with Python 3: hashlib, bcrypt 5 and passlib 1.7 and argon2-cffi 25, which wraps the reference code of Argon2.
const VECTORS: [(&str, &str); 19] = [
    // argon2.low_level.hash_secret(pw, b"saltsaltsaltsalt", 2, 64, 1, 32, Type.I) and so on
    (
        "argon2i",
        "$argon2i$v=19$m=64,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$ahAb0jh2t3AxdErj3t6K05VNCDO6w4Cto2FlIzyvsvs",
    ),
    (
        "argon2d",
        "$argon2d$v=19$m=64,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$7bYmxVedbmTo+PmTFzpOo1K5O9jqM+hmKIzNG3exegM",
    ),
    (
        "argon2id",
        "$argon2id$v=19$m=64,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aquI0YEGjFq7ijapWNHeelVYjmgDk8ThJr8SzEocO64",
    ),
    (
        "argon2i",
        "$argon2i$v=16$m=64,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$KwbwRwuevmEdPhTi0a6j6AgphFDj/Mdj24sp40SGnCk",
    ),
    // bcrypt.hashpw(pw, bcrypt.gensalt(4)), with prefix=b"2a" for the second; the third is PHP's name for the first's format
    ("bcrypt", "$2b$04$gQaYIWWQ0LjlA6tUlO.Qse03pLLa6Xx7TxdQMSyXP.FlUDdoOMhLK"),
    ("bcrypt", "$2a$04$HP..lwQaRFmXoouO4cNANOysvYS7E9EWk80ap8QPlwLAu4DcHqAaq"),
    ("bcrypt", "$2y$04$iYTH2yAypMmgDXhZfA12FuQYc8rrhPtEV06Z59yt39c8BVyj.wCxm"),
    ("bcrypt", "bcrypt$$2b$04$gQaYIWWQ0LjlA6tUlO.Qse03pLLa6Xx7TxdQMSyXP.FlUDdoOMhLK"),
    // as Django does it: bcrypt.hashpw(hashlib.sha256(pw).hexdigest().encode(), bcrypt.gensalt(4))
    ("bcrypt-sha256", "bcrypt_sha256$$2b$04$brvySJIm9Y5xsuIFuvipb.reekB3cgEAXcs120SiuZ4xnqkwy.K62"),
    // hashlib.scrypt(pw, salt=b"0123456789abcdef", n=16, r=8, p=1, dklen=32), then passlib's scrypt.using(rounds=4)
    ("scrypt", "$scrypt$ln=4,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$WOUkyytJ5wKdH99hVinlb7KUGvW0Ytxxqdl26n64bQI"),
    ("scrypt", "$scrypt$ln=4,r=8,p=1$6B1DCGHMOQcgBGAMAQDgXA$d7QVy2nmcUD36iXrcqJ3ATsfd+pCWITZM1xmU9vAbu8"),
    // hashlib.pbkdf2_hmac("sha256" and "sha512", pw, b"0123456789abcdef", 1000)
    (
        "pbkdf2-sha256",
        "$pbkdf2-sha256$i=1000,l=32$MDEyMzQ1Njc4OWFiY2RlZg$GPBraPSY9pzjfItNcxo4StYZDW02uRDNWgtpbwbNWMY",
    ),
    (
        "pbkdf2-sha256",
        "$pbkdf2-sha256$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$GPBraPSY9pzjfItNcxo4StYZDW02uRDNWgtpbwbNWMY",
    ),
    (
        "pbkdf2-sha512",
        "$pbkdf2-sha512$i=1000,l=64$MDEyMzQ1Njc4OWFiY2RlZg$iQG6giQBo1P0XSvOyMMl9BG9j5OIUea/y7DcJDG/MY3HD39uEAOI9Vqh6S+CsWd0cxRbWgNELe8Enm1bM+egAA",
    ),
    // passlib's pbkdf2_sha256.using(rounds=1000).hash(pw), and pbkdf2_sha512
    (
        "pbkdf2-sha256",
        "$pbkdf2-sha256$1000$HSNkrBWCkPL./987h9D6/w$rm7.RUjzU5MbPEcWhSvDJr96KNA/QQLYCbNnTt/ZE70",
    ),
    (
        "pbkdf2-sha512",
        "$pbkdf2-sha512$1000$AkCotdaaM8YY4/z/X.sdAw$LakVHY1Zz/5Y2w0r48GOLM8fs.xQpABIdJQl09/swfLo/AcqJjGgMpRrl0jegOMFatXulUbM984Yq0B3Mvzwmw",
    ),
    // as Django does it: base64 of hashlib.pbkdf2_hmac("sha256", pw, b"q3xLnzXf7Rz0", 1000)
    ("pbkdf2-sha256", "pbkdf2_sha256$1000$q3xLnzXf7Rz0$W9oWPW3L9LDlsOOGbae37uWUZF/GsW3CqOA8tZe1lUQ="),
    // Django 5.2's Argon2PasswordHasher and ScryptPasswordHasher, with the parameters made small
    (
        "argon2id",
        "argon2$argon2id$v=19$m=64,t=2,p=1$bU0wcWVXVDBqUmN4OFBMNEY5UTJOUQ$rgKj2vrCDk754j1yLu+rVwHwFf3Flh+bDD4IZWOGlTY",
    ),
    (
        "scrypt",
        "scrypt$16$262kpmBljQYclVykPk94Zc$8$2$1s+pLF5ws4CuWArWJk6dQbEE/O3l5FA+MkjtNlT4DF/rddYxnpuihMOvCkVWdKSgVJW/C0Hb2NivgDEmIkwYKA==",
    ),
];

/// bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)): what every bcrypt makes of a longer password too.
const SEVENTY_TWO: &str = "$2b$04$.4R62fqrLqWzlZKKLKvslO3orOJDEjB.uzOpLFvrEoLDBquXazPpu";

fn fits(stored: &Stored, password: &[u8]) -> bool {
    recipe().fits(stored, password, &mut recipe().memory())
}

fn recipe() -> Recipe {
    Recipe::new(64, 2, None).unwrap()
}

#[test]
fn what_other_programs_made_is_checked() {
    for (name, text) in VECTORS {
        let stored = recipe().open(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(stored.name(), name, "{text}");
        assert!(fits(&stored, PASSWORD.as_bytes()), "{text}");
        assert!(!fits(&stored, b"Troub4dor & 3 horses"), "{text}");
        assert!(!fits(&stored, b""), "{text}");
    }
}

#[test]
fn bcrypt_looks_at_72_bytes() {
    let stored = recipe().open(SEVENTY_TWO).unwrap();
    assert!(fits(&stored, &[b'x'; 72]));
    assert!(fits(&stored, &[b'x'; 1000]), "as it does everywhere, until the first login replaces it");
    assert!(!fits(&stored, &[b'x'; 71]));
}

#[test]
fn a_bomb_is_refused_before_anything_is_allocated() {
    let changed = |index: usize, from: &str, to: &str| {
        let text = VECTORS[index].1.replacen(from, to, 1);
        assert_ne!(text, VECTORS[index].1, "{from} is there");
        text
    };
    for bomb in [
        changed(2, "m=64", "m=4194304"),
        changed(2, "m=64", "m=262145"),
        changed(2, "m=64,t=2", "m=262144,t=17"),
        changed(2, "t=2", "t=4294967295"),
        changed(2, "t=2", "t=65"),
        changed(2, "m=64,t=2,p=1", "m=4096,t=2,p=17"),
        changed(4, "$04$", "$31$"),
        changed(4, "$04$", "$15$"),
        changed(4, "$04$", "$03$"),
        changed(4, "$04$", "$4294967296$"),
        changed(8, "$04$", "$31$"),
        changed(9, "ln=4", "ln=40"),
        changed(9, "ln=4", "ln=4294967295"),
        changed(9, "ln=4", "ln=63"),
        changed(9, "ln=4", "ln=0"),
        changed(9, "ln=4", "ln=19"),
        changed(9, "r=8", "r=4294967295"),
        changed(9, "ln=4,r=8,p=1", "ln=18,r=8,p=17"),
        changed(9, "p=1", "p=0"),
        changed(11, "i=1000", "i=4294967295"),
        changed(11, "i=1000", "i=5000001"),
        changed(11, "i=1000", "i=0"),
        changed(14, "$1000$", "$4294967296$"),
        changed(16, "$1000$", "$5000001$"),
        changed(17, "m=64", "m=4194304"),
        changed(17, "t=2", "t=4294967295"),
        changed(18, "$16$", "$1073741824$"),
        changed(18, "$16$", "$524288$"),
        changed(18, "$16$", "$1$"),
        changed(18, "$16$", "$0$"),
        changed(18, "$16$", "$17$"),
        changed(18, "$8$2$", "$65$2$"),
        changed(18, "$8$2$", "$8$17$"),
        "x".repeat(TEXT_BYTES + 1),
    ] {
        assert_eq!(Stored::parse(&bomb).err(), Some(Unusable::OutOfBounds), "{bomb}");
    }
    for at_the_edge in [
        changed(2, "m=64", "m=262144"),
        changed(4, "$04$", "$14$"),
        changed(9, "ln=4", "ln=18"),
        changed(11, "i=1000", "i=5000000"),
        changed(18, "$16$", "$262144$"),
    ] {
        assert!(Stored::parse(&at_the_edge).is_ok(), "{at_the_edge}");
    }
}

#[test]
fn what_is_no_hash_is_refused() {
    for text in [
        "",
        "$",
        "password",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
        "$6$salt$abc",
        "$2x$04$gQaYIWWQ0LjlA6tUlO.Qse03pLLa6Xx7TxdQMSyXP.FlUDdoOMhLK",
        "$2b$04$gQaYIWWQ0LjlA6tUlO.Qse03pLLa6Xx7TxdQMSyXP.FlUDdoOMhL",
        "$2b$04$gQaYIWWQ0LjlA6tUlO.Qse03pLLa6Xx7TxdQMSyXP.FlUDdoOMhL!",
        "$2b$04$gQaYIWWQ0LjlA6tUlO.Qse03pLLa6Xx7TxdQMSyXP.FlUDdoOMhLK$",
        "$2b$+4$gQaYIWWQ0LjlA6tUlO.Qse03pLLa6Xx7TxdQMSyXP.FlUDdoOMhLK",
        "$argon2id$m=64,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aquI0YEGjFq7ijapWNHeelVYjmgDk8ThJr8SzEocO64",
        "$argon2id$v=19$m=64,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA",
        "$argon2id$v=19$m=64,t=2,p=1,x=1$c2FsdHNhbHRzYWx0c2FsdA$aquI0YEGjFq7ijapWNHeelVYjmgDk8ThJr8SzEocO64",
        "$scrypt$r=8,ln=4,p=1$MDEyMzQ1Njc4OWFiY2RlZg$WOUkyytJ5wKdH99hVinlb7KUGvW0Ytxxqdl26n64bQI",
        "$scrypt$ln=4,r=8$MDEyMzQ1Njc4OWFiY2RlZg$WOUkyytJ5wKdH99hVinlb7KUGvW0Ytxxqdl26n64bQI",
        "$scrypt$ln=4,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg=$WOUkyytJ5wKdH99hVinlb7KUGvW0Ytxxqdl26n64bQI",
        "$pbkdf2-sha256$i=1000,l=31$MDEyMzQ1Njc4OWFiY2RlZg$GPBraPSY9pzjfItNcxo4StYZDW02uRDNWgtpbwbNWMY",
        "$pbkdf2-sha256$i=-1$MDEyMzQ1Njc4OWFiY2RlZg$GPBraPSY9pzjfItNcxo4StYZDW02uRDNWgtpbwbNWMY",
        "$pbkdf2-md5$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$GPBraPSY9pzjfItNcxo4StYZDW02uRDNWgtpbwbNWMY",
    ] {
        assert_eq!(Stored::parse(text).err(), Some(Unusable::Unknown), "{text}");
    }
    let short = "$pbkdf2-sha256$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$GPBraPSY9pzj";
    assert_eq!(Stored::parse(short).err(), Some(Unusable::OutOfBounds), "any password in 2^72 would do");
}

#[test]
fn d18_only_todays_format_and_parameters_are_kept() {
    for (name, text) in VECTORS {
        let weaker = recipe().is_stronger_than(&Stored::parse(text).unwrap());
        assert_eq!(weaker, name != "argon2id", "{text}");
    }
    let own = Stored::parse(VECTORS[2].1).unwrap();
    assert!(Recipe::new(65, 2, None).unwrap().is_stronger_than(&own));
    assert!(Recipe::new(64, 3, None).unwrap().is_stronger_than(&own));
    assert!(!Recipe::new(32, 3, None).unwrap().is_stronger_than(&own));
}
