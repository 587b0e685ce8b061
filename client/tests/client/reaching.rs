//! Daemons that are not there, or that send the client away: each told in a sentence that says what to do.

use std::future::pending;
use std::io;
use std::time::{Duration, Instant};

use hallpass_client::{Client, Error, ErrorClass, ErrorCode};
use hallpass_protocol::hello::{Service, Status, receive, send_away};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use crate::fake::Fake;

#[tokio::test]
async fn no_socket_means_no_daemon_and_is_told_at_once() {
    let fake = Fake::absent();
    let begun = Instant::now();
    let error = Client::connect(fake.socket()).await.unwrap_err();
    assert!(begun.elapsed() < Duration::from_millis(500), "only an established client waits for a restart");
    let text = error.to_string();
    assert!(text.contains(fake.socket().to_str().unwrap()), "{text}");
    assert!(text.contains("there is no socket"), "{text}");
    assert!(text.contains("the daemon is not running: start it with `systemctl start hallpassd`"), "{text}");
    assert_eq!((error.code(), error.class()), (ErrorCode::Unavailable, ErrorClass::Retry));
}

#[tokio::test]
async fn a_socket_left_behind_means_no_daemon() {
    let fake = Fake::absent();
    drop(UnixListener::bind(fake.socket()).unwrap());
    let error = Client::connect(fake.socket()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("nobody listens") && text.contains("the daemon is not running"), "{text}");
    let Error::Unreachable(unreachable) = error else { panic!("{error:?}") };
    assert_eq!(unreachable.places()[0].path(), fake.socket());
    assert_eq!(unreachable.places()[0].error().kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_daemon_that_hangs_up_at_hello_is_unreachable() {
    let mut fake = Fake::absent();
    fake.listen(|stream, _| async move { drop(stream) });
    let error = Client::connect(fake.socket()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(error.to_string().contains("closed before an answer"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_is_silent_at_hello_is_not_waited_for_for_ever() {
    let mut fake = Fake::absent();
    fake.listen(|stream, _| async move {
        pending::<()>().await;
        drop(stream);
    });
    let error = Client::connect(fake.socket()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unavailable);
    assert!(error.to_string().contains("no answer in time"), "{error}");
}

#[tokio::test]
async fn the_wrong_socket_says_which_is_the_right_one() {
    let mut fake = Fake::absent();
    fake.listen(|mut stream, _| async move {
        // The fake has nothing more to say to somebody it sent away.
        let _ = receive(&mut stream, Service::Admin, Duration::from_secs(1)).await;
    });
    let error = Client::connect(fake.socket()).await.unwrap_err();
    assert!(matches!(error, Error::SentAway { .. }), "{error:?}");
    assert_eq!((error.code(), error.class()), (ErrorCode::InvalidRequest, ErrorClass::Invalid));
    assert!(error.to_string().contains("the other service is on hallpass.sock beside it"), "{error}");
}

#[tokio::test]
async fn who_is_sent_away_hears_why() {
    for (status, code) in [
        (Status::Mismatch, ErrorCode::InvalidRequest),
        (Status::Busy, ErrorCode::Busy),
        (Status::Forbidden, ErrorCode::Forbidden),
    ] {
        let mut fake = Fake::absent();
        fake.listen(move |mut stream, _| async move {
            send_away(&mut stream, status, "not today, because of the moon").await.unwrap();
        });
        let error = Client::connect(fake.socket()).await.unwrap_err();
        assert_eq!(error.code(), code);
        assert!(error.to_string().contains("not today, because of the moon"), "{error}");
        assert_eq!(fake.connections(), 1, "somebody sent away does not come back by itself");
    }
}

#[tokio::test]
async fn a_stranger_on_the_socket_is_told_apart() {
    let mut fake = Fake::absent();
    fake.listen(|mut stream, _| async move {
        stream.read_exact(&mut [0; 11]).await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let error = Client::connect(fake.socket()).await.unwrap_err();
    assert!(error.to_string().contains("not Hallpass; check the socket path"), "{error}");
    assert_eq!(error.class(), ErrorClass::Invalid);
}
