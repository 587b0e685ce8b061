//! hallpass-protocol(7): what goes over the sockets, what lies on the board and what tokens say, for whoever writes a client or a reader in another
//! language. Numbers, names and types come from the code; `tests/operating/client.py` follows the page.

use hallpass_protocol::board::{self, word};
use hallpass_protocol::error::ErrorCode;
use hallpass_protocol::hello::{self, MAGIC, Service, Status};
use hallpass_protocol::limits::{
    ADMIN_FRAME, AUTH_FRAME, FRAME_DEADLINE, HELLO_DEADLINE, REQUEST_DEADLINE, REQUESTS_IN_FLIGHT,
};
use roff::{Roff, bold, roman};

use super::source::{Declared, calls, types};

const AUTH: &str = concat!(
    include_str!("../../../protocol/src/auth.rs"),
    include_str!("../../../protocol/src/auth/opening.rs"),
    include_str!("../../../protocol/src/auth/verifying.rs"),
    include_str!("../../../protocol/src/auth/keeping.rs"),
);
const ADMIN: &str = concat!(
    include_str!("../../../protocol/src/admin.rs"),
    include_str!("../../../protocol/src/admin/users.rs"),
    include_str!("../../../protocol/src/admin/keys.rs"),
    include_str!("../../../protocol/src/admin/sessions.rs"),
    include_str!("../../../protocol/src/admin/audit.rs"),
    include_str!("../../../protocol/src/admin/copies.rs"),
);
const REFUSALS: &str = include_str!("../../../protocol/src/error.rs");

/// `packaging/man/hallpass-protocol.7`.
pub(super) fn page() -> Vec<u8> {
    let mut page = super::head("hallpass-protocol", "7");
    page.control("SH", ["NAME"])
        .text([roman("hallpass-protocol - what hallpassd speaks on its sockets, and writes for readers")]);
    section(
        "DESCRIPTION",
        &[
            "An app asks hallpassd(8) over a Unix stream socket, and reads two files beside it by itself: the board, which says what was taken back, and \
         jwks.json, the keys that access tokens are signed with. This page has all of it in numbers, for a client or a reader in another language. \
         The crate hallpass-client does the same for Rust, and the twenty lines of tests/board/reader.py read the board in Python.",
            "Everything here belongs to protocol version 1 and layout version 1. A call, a code or a variant is only ever added at the end of its list.",
        ],
        &mut page,
    );
    hello_and_frames(&mut page);
    values(&mut page);
    requests(&mut page);
    for (name, source, service) in [("AUTH", AUTH, Service::Auth), ("ADMIN", ADMIN, Service::Admin)] {
        page.control("SH", [format!("CALLS OF {name}").as_str()]);
        page.text([roman(format!(
            "On {}. The number is that of the variant, in the request and in the response.",
            if service == Service::Auth {
                "hallpass.sock"
            } else {
                "admin.sock, for the administrators of the configuration"
            }
        ))]);
        for (code, call) in calls(source).iter().enumerate() {
            page.control("TP", [])
                .text([bold(format!("{code}  {}", call.name))])
                .text([roman(call.words.as_str())]);
        }
    }
    for (name, source) in [("AUTH", AUTH), ("ADMIN", ADMIN)] {
        page.control("SH", [format!("TYPES OF {name}").as_str()]);
        for declared in types(source) {
            declaration(&declared, &mut page);
        }
    }
    refusals(&mut page);
    board(&mut page);
    tokens(&mut page);
    super::see_also(&["hallpassd(8)", "hallpass.toml(5)", "hallpass(1)"], &mut page);
    page.to_roff().into_bytes()
}

fn section(title: &str, paragraphs: &[&str], page: &mut Roff) {
    page.control("SH", [title]);
    for (number, paragraph) in paragraphs.iter().enumerate() {
        if number > 0 {
            page.control("PP", []);
        }
        page.text([roman(*paragraph)]);
    }
}

/// Lines that stay as they are.
fn lines<const N: usize>(text: [&str; N], page: &mut Roff) {
    page.control("PP", []).control("nf", []);
    for line in text {
        page.text([roman(line)]);
    }
    page.control("fi", []).control("PP", []);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

fn hello_and_frames(page: &mut Roff) {
    section(
        "HELLO",
        &[
            "Before any call each side introduces itself. Numbers of the hello and of frame lengths have their big end first. The caller sends 11 bytes:",
        ],
        page,
    );
    lines(
        [
            format!("0   8 bytes  magic: {}, the text {:?}", hex(&MAGIC), String::from_utf8_lossy(&MAGIC))
                .as_str(),
            format!("8   1 byte   service: {} Auth, {} Admin", Service::Auth as u8, Service::Admin as u8)
                .as_str(),
            format!("9   2 bytes  protocol version: {}", hello::VERSION).as_str(),
        ],
        page,
    );
    page.text([roman(
        "The daemon answers with 13 bytes, and with a sentence behind them where the status is not 0:",
    )]);
    lines(
        [
            "0   8 bytes  magic, the same",
            "8   2 bytes  the daemon's protocol version",
            format!(
                "10  1 byte   status: 0 welcome, {} mismatch, {} busy, {} forbidden, {} unavailable",
                Status::Mismatch as u8,
                Status::Busy as u8,
                Status::Forbidden as u8,
                Status::Unavailable as u8
            )
            .as_str(),
            format!("11  2 bytes  length of the sentence in UTF-8, at most {}", hello::SENTENCE_BYTES)
                .as_str(),
        ],
        page,
    );
    let hello = HELLO_DEADLINE.as_secs();
    page.text([roman(format!(
        "Who connects is known from SO_PEERCRED, and so by nothing that is sent. A caller that says nothing for {hello} s is sent away. One that is not \
         welcome may be told so before it has sent anything, and then the daemon closes. What is not this magic gets no answer."
    ))]);
    let (frame, deadline, flight) =
        (FRAME_DEADLINE.as_secs(), REQUEST_DEADLINE.as_secs(), REQUESTS_IN_FLIGHT);
    section("FRAMES", &[], page);
    page.text([roman(format!(
        "Then frames go both ways, each 4 bytes of length and as many bytes of one value. A frame has at most {AUTH_FRAME} bytes on hallpass.sock and \
         {ADMIN_FRAME} on admin.sock, in both directions; a longer one ends the connection, and so does one that takes longer than {frame} s from its first \
         byte to its last, one that is no value of its type, or one with bytes left over. Up to {flight} requests of one connection may be under way; answers \
         come in any order. The deadline of a request is shortened to {deadline} s. A connection that is idle for long is closed (limits.idle_connection)."
    ))]);
}

fn values(page: &mut Roff) {
    section(
        "VALUES",
        &[
            "The form is that of bincode 2 with its standard configuration. Nothing names itself: both sides know what comes.",
        ],
        page,
    );
    for (name, words) in [
        (
            "u16 u32 u64 usize",
            "One byte up to 250. Above that, a byte that says how many follow with the little end first: 251 two, 252 four, 253 eight. Only the shortest form is written.",
        ),
        ("u8 bool", "One byte; bool is 0 or 1."),
        ("String PathBuf Password Token", "Its length in bytes as u64, then UTF-8."),
        ("Vec<T>", "How many as u64, then each."),
        ("BTreeMap<K, V>", "How many as u64, then each key with its value."),
        ("Option<T>", "0, or 1 and the value."),
        (
            "struct",
            "Its fields in their order, and nothing else. A type in brackets, such as Stamp(u64), is what it holds.",
        ),
        ("enum", "The number of the variant, counted from 0, as u32; then its fields."),
        ("Answer<T>", "An enum: 0 Ok and T, or 1 Err and Refusal."),
        (
            "UserId SessionId",
            "16 bytes as they are; in an Identity, 254 and the same bytes from the last to the first, as a number of 128 bits is written. As text, in tokens \
             and on the command line, a ULID of 26 characters.",
        ),
        (
            "AttemptId",
            "16 bytes as they are, random, made by the caller for one exchange of a refresh token.",
        ),
        ("Millis", "u64, milliseconds since 1970 in UTC."),
        ("Stamp", "u64, microseconds since 1970; one for each change, strictly increasing."),
        ("IpAddr", "An enum: 0 and 4 bytes, or 1 and 16 bytes."),
    ] {
        page.control("TP", []).text([bold(name)]).text([roman(words)]);
    }
}

fn requests(page: &mut Roff) {
    section(
        "REQUESTS",
        &[
            "A caller sends an enum: 0 is a request, and 1 takes one back that is under way, which nobody has to. A request is:",
        ],
        page,
    );
    lines(
        [
            "u32      0, for a request",
            "u64      seconds until its deadline, and",
            "u32      nanoseconds",
            "16 bytes trace id, free to choose, all zeros will do",
            "u64      span id, the same",
            "u32      1, for not sampled",
            "u64      number of the request, chosen by the caller, of which no other is under way",
            "enum     the call: its number, and its arguments as the fields",
        ],
        page,
    );
    page.text([roman("The daemon answers:")]);
    lines(
        [
            "u64      number of the request",
            "u32      0 for an answer, 1 for a request that was not carried out: then u32 and String, for people",
            "enum     the number of the call again, and its Answer<T>",
        ],
        page,
    );
    page.text([roman("This is the whole frame of a call of hello with number 7 and ten seconds of time:")]);
    lines([hex(&example()).as_str()], page);
}

/// A frame that calls `hello`, byte by byte as the text above has it.
fn example() -> Vec<u8> {
    let mut value = vec![0, 10, 0];
    value.extend([0; 16]);
    value.extend([0, 1, 7, 0]);
    let length = u32::try_from(value.len()).expect("it is short");
    [&length.to_be_bytes()[..], &value].concat()
}

fn declaration(declared: &Declared, page: &mut Roff) {
    page.control("SS", [declared.name.as_str()]).text([roman(declared.words.as_str())]);
    let is_enum = declared.name.starts_with("enum");
    let mut number = 0;
    for part in &declared.parts {
        let before = if is_enum && part.depth == 1 {
            number += 1;
            format!("{}  ", number - 1)
        } else {
            " ".repeat(3 * part.depth.saturating_sub(1))
        };
        page.control("TP", [])
            .text([bold(format!("{before}{}", part.text))])
            .text([roman(part.words.as_str())]);
    }
}

fn refusals(page: &mut Roff) {
    section(
        "REFUSALS",
        &[
            "A call that is refused answers with a Refusal. An app acts on the class of its code: retry, ask again after retry_after_ms; refresh, fetch a new access \
         token with the refresh token; reauthenticate, ask the user for another proof; login, clear the session and have the user log in; forbidden and invalid, \
         asking again changes nothing. A number past the end of the list is of a later release: clear nothing then, and have somebody install the same release of both.",
        ],
        page,
    );
    for declared in types(REFUSALS).iter().filter(|declared| declared.name == "struct Refusal") {
        declaration(declared, page);
    }
    page.control("SS", ["enum ErrorCode"]);
    for (number, code) in ErrorCode::ALL.iter().enumerate() {
        page.control("TP", [])
            .text([bold(format!("{number}  {code}")), roman(format!(", class {}", code.class().as_str()))]);
        page.text([roman(code.message())]);
    }
}

fn board(page: &mut Roff) {
    section(
        "BOARD",
        &[
            "The board is the file that Hello names; under the packaged service it is /run/hallpass/daemon/board, and elsewhere `board` in the runtime directory. \
         Everybody may read it, and it holds no secret. Map it, or pread it. It is made of words of 8 bytes in the byte order of the machine:",
        ],
        page,
    );
    let at = |word: usize| word * 8;
    lines(
        [
            format!(
                "0     magic: {}, the text {:?}",
                hex(&board::MAGIC),
                String::from_utf8_lossy(&board::MAGIC)
            )
            .as_str(),
            format!("8     low half: layout version, {}; high half: number of slots", board::LAYOUT).as_str(),
            "16    hash key, 32 bytes",
            "48    database id, 16 bytes",
            "64    boot id, 16 bytes: /proc/sys/kernel/random/boot_id without its hyphens",
            format!(
                "{}   lease: until when it may be believed, nanoseconds of CLOCK_MONOTONIC; 0 when closed",
                at(word::LEASE)
            )
            .as_str(),
            format!("{}   floor, a stamp", at(word::FLOOR)).as_str(),
            format!("{}   life, a stamp: which start of the daemon writes it", at(word::LIFE)).as_str(),
            format!("{}   visible, a stamp: all changes up to it are on the board", at(word::VISIBLE))
                .as_str(),
            format!("{}   version of the key set, a stamp", at(word::KEYS)).as_str(),
            format!("{}   the daemon's time, milliseconds since 1970", at(word::TIME)).as_str(),
            format!("{}  the slots, a stamp each", at(word::SLOTS)).as_str(),
        ],
        page,
    );
    let (fewest, most) = (board::SLOTS.start(), board::SLOTS.end());
    page.text([roman(format!(
        "The number of slots is a power of two from {fewest} to {most}, so a board of 65536 has {} bytes. The slot of a session or user is number h modulo the \
         number of slots, where h is the first 8 bytes, big end first, of HMAC-SHA256 with the hash key over its 16 bytes. A slot holds the newest stamp at \
         which something that maps to it has changed. Two that share one cost a question, and never a wrong answer.",
        board::bytes(65_536)
    ))]);
    rules(page);
}

fn rules(page: &mut Roff) {
    let (lease, every) = (board::LEASE.as_secs(), board::LEASE_EVERY.as_secs());
    page.control("PP", []).text([roman("The ten rules for whoever reads it. The board never says yes by itself: it says that an answer from before still stands, or ask.")]);
    let rules = [
        "Read the magic, the layout and the number of slots first, and read no board of another layout.".to_owned(),
        "Believe it only if its boot id is this machine's and its database id is the one of Hello, and only the file whose inode and device Hello has named.".to_owned(),
        format!("Read the lease before anything else of a check, with acquire order. It is good while it lies ahead of CLOCK_MONOTONIC by more than 0 and at most {lease} s; the daemon extends it every {every} s. Everything else is no lease."),
        "No lease: ask the daemon. No lease and no answer: refuse. Never go on with what was true.".to_owned(),
        "One check reads one mapping of one file from the lease to the slots. Whoever maps another in between begins anew.".to_owned(),
        "What bears stamp s stands if floor <= s, the slot of its session <= s and the slot of its user <= s, read with acquire order. Otherwise ask.".to_owned(),
        "An answer of the daemon bears Verified.stamp, and may be kept only with the board whose life is Verified.life. An access token bears the stamp in its jti.".to_owned(),
        "An access token that was not seen before also needs s <= visible, read before the slots, and a key set whose version is the board's.".to_owned(),
        "Judge ends by the later of the wall clock and the board's time plus what has passed since the lease was last extended; a token ends in the second of its exp.".to_owned(),
        "Keep the mapping over restarts of the daemon, which goes on in the same file. A lease of 0 is closed: ask, take the place from the next Hello, and map anew if the inode is another.".to_owned(),
    ];
    for (number, rule) in rules.iter().enumerate() {
        page.control("TP", []).text([bold(format!("{}.", number + 1))]).text([roman(rule.as_str())]);
    }
}

fn tokens(page: &mut Roff) {
    use hallpass_protocol::jws::{MAX_TOKEN_ISSUED, MAX_TOKEN_SEEN};
    section("ACCESS TOKENS", &[], page);
    page.text([roman(format!(
        "A compact JWS of at most {MAX_TOKEN_ISSUED} bytes; a reader looks at none of more than {MAX_TOKEN_SEEN}. The header is exactly \
         {{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":...}}: any other member, crit first of all, and any other value are refused. The kid is the RFC 7638 thumbprint of \
         an Ed25519 key. Base64url is unpadded and canonical, JSON has no member twice, numbers are whole. All claims are there:"
    ))]);
    for (claim, words) in [
        ("iss", "The issuer of the configuration, exactly."),
        ("sub", "The user's identifier, for ever."),
        ("aud", "The one audience that it is for, exactly."),
        ("client_id", "The app that opened the session."),
        (
            "exp",
            "The first second at which it is no longer good. On the host of the daemon there is no skew, elsewhere at most 60 s.",
        ),
        ("iat", "When it was issued. By itself it never makes a token refused."),
        ("jti", "Base64url of 16 bytes: the stamp, u64 with its big end first, and 8 random ones."),
        ("sid", "The session's identifier."),
        ("auth_time", "When the user last proved who they are."),
        ("amr", "How (RFC 8176), a list."),
        ("acr", "The level of that, as text."),
        ("roles", "The roles at the time of issue, a list."),
    ] {
        page.control("TP", []).text([bold(claim)]).text([roman(words)]);
    }
    page.control("PP", []).text([roman(
        "A token for an app itself has typ service+jwt, sub app:NAME, and neither sid, auth_time, amr, acr nor roles. Neither type is ever accepted as the other.",
    )]);
    section(
        "JWKS.JSON",
        &[
            "Beside the board lies jwks.json, a JWK set (RFC 7517) of Ed25519 keys (RFC 8037): kty OKP, crv Ed25519, alg EdDSA, use sig, kid and x. It is exchanged whole, \
         by rename. A new key is published before it signs (keys.lead), and one that is taken back is gone at once. The call jwks answers the same with its version, \
         which is what the board's is compared with. An unknown kid is a reason to look again, and at most once in a while.",
        ],
        page,
    );
    section(
        "OTHER TOKENS",
        &[
            "hps_ (session), hpr_ (refresh) and hpd_ (device) with base64url behind them are for the daemon alone. Take them as text, keep them secret, and compare them whole.",
        ],
        page,
    );
}

#[cfg(test)]
mod tests;
