//! Looking for what must not be there: in files, in logs, in answers, on the wire.
//!
//! Not for what may be where: whoever looks knows that.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::net::PATIENCE;

/// Where something was found, and what stands there.
pub(crate) type Place = (String, Vec<u8>);

/// The bytes of every file below a directory.
pub(crate) fn files(directory: &Path) -> Vec<Place> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            match std::fs::read(&path) {
                Ok(bytes) => found.push((path.display().to_string(), bytes)),
                Err(gone) if gone.kind() == std::io::ErrorKind::NotFound => {}
                Err(fault) => panic!("{}: {fault}", path.display()),
            }
        }
    }
    found
}

/// The figures of a relay or an agent, once it answers.
pub(crate) async fn figures(address: SocketAddr) -> Vec<u8> {
    let started = Instant::now();
    let mut stream = loop {
        match tokio::net::TcpStream::connect(address).await {
            Ok(stream) => break stream,
            Err(fault) => assert!(started.elapsed() < PATIENCE, "{address}: {fault}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let ask = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(ask).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let said = text(&answer);
    assert!(said.contains("200 OK") && said.contains("detente_"), "no figures: {said}");
    answer
}

/// Bytes as text, one character each, without the zeroes of files that are allocated ahead: the
/// standard library looks for text much faster than tests that are not optimised would for bytes.
pub(crate) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes[..end].iter().map(|byte| char::from(*byte)).collect()
}

/// What must not be found, and what it is.
#[derive(Default)]
pub(crate) struct Traces(Vec<(String, String)>);

impl Traces {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// A word, as it stands.
    pub(crate) fn word(&mut self, what: &str, word: &str) {
        self.0.push((what.to_owned(), text(word.as_bytes())));
    }

    /// Bytes, raw and as they may be written: in hexadecimal, and within any longer text in base64.
    pub(crate) fn bytes(&mut self, what: &str, bytes: &[u8]) {
        self.0.push((what.to_owned(), text(bytes)));
        for digits in [data_encoding::HEXLOWER, data_encoding::HEXUPPER] {
            self.0.push((what.to_owned(), digits.encode(bytes)));
        }
        for alphabet in [data_encoding::BASE64, data_encoding::BASE64URL] {
            for before in 0..3 {
                let all = [&vec![0; before][..], bytes].concat();
                // What shares a digit with other bytes is left out.
                let (from, until) = ((before * 4).div_ceil(3), all.len() * 4 / 3);
                let digits = &alphabet.encode(&all)[from..until];
                self.0.push((format!("{what} in base64"), digits.to_owned()));
            }
        }
    }

    /// An id as programs show it, and as [`Traces::bytes`].
    pub(crate) fn id(&mut self, what: &str, id: &str) {
        let what = format!("{what} {id}");
        self.word(&what, id);
        self.bytes(&what, &raw_id(id));
    }

    /// What is found in a place.
    pub(crate) fn found(&self, place: &str, bytes: &[u8]) -> Vec<String> {
        let text = text(bytes);
        let there = self.0.iter().filter(|(_, trace)| text.contains(trace.as_str()));
        there.map(|(what, _)| format!("{place} holds {what}")).collect()
    }
}

/// The bytes of an id.
pub(crate) fn raw_id(text: &str) -> Vec<u8> {
    let raw = data_encoding::HEXLOWER.decode(text.replace('-', "").as_bytes()).unwrap();
    assert_eq!(raw.len(), 16, "{text}");
    raw
}

/// What is looked for is found, however it is written.
#[test]
fn a_trace_is_found_in_every_form() {
    let secret = [0x00, 0xff, 0x10, 0x83, 0xfb, 0xef, 0xbe, 0x51, 0x87, 0x20, 0x92, 0x8b];
    let mut traces = Traces::default();
    traces.bytes("it", &secret);
    traces.word("word", "kanarie");
    for before in 0..4 {
        for after in 0..4 {
            let around = [&[7; 4][..before], &secret, &[9; 4][..after]].concat();
            let forms = [
                around.clone(),
                data_encoding::HEXLOWER.encode(&around).into_bytes(),
                data_encoding::HEXUPPER.encode(&around).into_bytes(),
                data_encoding::BASE64.encode(&around).into_bytes(),
                data_encoding::BASE64URL_NOPAD.encode(&around).into_bytes(),
            ];
            for form in forms {
                let found = traces.found("here", &form);
                assert!(!found.is_empty(), "{before} {after}: {}", text(&form));
            }
        }
    }
    assert_eq!(traces.found("here", b"a kanarie!\0\0"), ["here holds word"]);
    let mut other = secret;
    other[5] ^= 1;
    assert!(traces.found("here", &other).is_empty());
    assert!(traces.found("here", data_encoding::BASE64.encode(&other).as_bytes()).is_empty());
}
