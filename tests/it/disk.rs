//! D5 and D6 with the real relay: a full disk refuses and recovers, a failed sync ends it.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use detente::grpc::Failure;
use detente::units::MessageId;
use detente::wire::detente::desk::v1 as api;

use crate::net::{self, Dev, Process, Speaker};

/// D5. A small disk with journal and tables on it: fill it, see the refusal, free it, see writes
/// again without a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root: mounts a file system of 16 MB"]
async fn a_full_disk_refuses_and_recovers_without_a_restart() {
    let dev = Dev::new(&["NL", "RO"]);
    small_segments(&dev);
    let data = dev.relay_data();
    std::fs::create_dir_all(&data).unwrap();
    let _mount = Mount::tmpfs(&data, "16m");
    let mut relay = dev.start_relay();
    let client = net::relay_client(&dev, "NL");
    net::until_up(&client, &mut relay).await;
    let speaker = Speaker::new(&dev, "NL");

    let mut acknowledged = Vec::new();
    let ballast = data.join("ballast");
    std::fs::write(&ballast, vec![1; 6 << 20]).unwrap();
    let refused = loop {
        let envelope = speaker.question(&net::desk("RO"));
        match client.submit(&envelope).await {
            Ok(recorded) => acknowledged.push((envelope, recorded)),
            Err(failure) => break failure,
        }
        assert!(acknowledged.len() < 20_000, "16 MB took them all");
    };
    assert_eq!(refused.code, tonic::Code::ResourceExhausted, "{refused}");
    assert_eq!(refused.reason, "DISK_FULL", "{refused}");
    // Reads go on.
    client.signed_genesis().await.unwrap();

    std::fs::remove_file(&ballast).unwrap();
    let started = Instant::now();
    let envelope = speaker.question(&net::desk("RO"));
    while client.submit(&envelope).await.is_err() {
        assert!(started.elapsed() < net::PATIENCE, "no writes any more");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for (envelope, first) in &acknowledged {
        let again = client.submit(envelope).await.unwrap();
        assert_eq!((again.index, again.repeat), (first.index, true));
    }
    assert!(relay.is_running());
    assert!(!relay.tail().contains("panicked"), "{}", relay.tail());
}

/// D6. The n-th `fdatasync` fails, for n = 1 to 50: nothing is acknowledged after it, the relay
/// ends with a failure, and a restart has everything that was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs strace, and the right to trace"]
async fn the_first_failed_sync_ends_the_relay() {
    let dev = Dev::new(&["NL", "RO"]);
    let speaker = Speaker::new(&dev, "NL");
    let mut acknowledged: Vec<MessageId> = Vec::new();
    let mut envelopes = Vec::new();
    for n in 1..=50 {
        let mut relay = start_with_failing_sync(&dev, n);
        let client = net::relay_client(&dev, "NL");
        let started = Instant::now();
        while relay.is_running() {
            assert!(started.elapsed() < net::PATIENCE, "n={n}: {}", relay.tail());
            let envelope = speaker.question(&net::desk("RO"));
            if client.submit(&envelope).await.is_ok() {
                acknowledged.push(envelope.statement.message);
                envelopes.push(envelope);
            } else {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        assert!(!relay.wait(net::PATIENCE).success(), "n={n}: it ended as if all was well");
    }
    let mut relay = dev.start_relay();
    let client = net::relay_client(&dev, "NL");
    net::until_up(&client, &mut relay).await;
    assert!(acknowledged.len() >= 50, "only {} got through", acknowledged.len());
    for envelope in &envelopes {
        assert!(client.submit(envelope).await.unwrap().repeat, "an acknowledged one was lost");
    }
}

/// Files of the journal of 4 MiB, which fit a small disk.
fn small_segments(dev: &Dev) {
    let smaller = ("[store]\n", "[store]\njournal_segment_bytes = 4194304\n");
    net::edit_file(&dev.made.relay_config, &[smaller]);
}

/// The relay under strace, which lets the n-th sync of data fail. The trace names no other call.
fn start_with_failing_sync(dev: &Dev, n: u32) -> Process {
    let config = &dev.made.relay_config;
    let inject = format!("inject=fdatasync:error=EIO:when={n}");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", "trace=fdatasync", "-e", &inject, "-o", "/dev/null"]);
    command.args([env!("CARGO_BIN_EXE_detente"), "relay", "--config", config.to_str().unwrap()]);
    Process::start_command(&mut command, &dev.path().join("relay.log"))
}

/// A mounted file system, unmounted when dropped.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn tmpfs(at: &'a Path, size: &str) -> Self {
        let size = format!("size={size}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).status();
        assert!(mounted.unwrap().success(), "mounting needs root");
        Self(at)
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _best_effort = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// D5, the other way round: the disk is full to the last byte while the journal still has room of
/// its own. What the tables need cannot be written; nothing acknowledged may suffer from that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root: mounts a file system of 16 MB"]
async fn a_disk_without_a_byte_left_loses_nothing() {
    let dev = Dev::new(&["NL", "RO"]);
    small_segments(&dev);
    let data = dev.relay_data();
    std::fs::create_dir_all(&data).unwrap();
    let _mount = Mount::tmpfs(&data, "16m");
    let mut relay = dev.start_relay();
    let client = net::relay_client(&dev, "NL");
    net::until_up(&client, &mut relay).await;
    let speaker = Speaker::new(&dev, "NL");
    let ballast = data.join("ballast");
    fill(&ballast);

    let mut acknowledged = Vec::new();
    for _ in 0..300 {
        let envelope = speaker.question(&net::desk("RO"));
        if let Ok(recorded) = client.submit(&envelope).await {
            acknowledged.push((envelope, recorded));
        }
    }
    // Who asks is told at once, and the operator why.
    let asked = api::GetRequestStatusRequest {
        name: format!("requests/{}", acknowledged.last().unwrap().0.statement.message),
        at_least_index: acknowledged.last().unwrap().1.index.0,
    };
    let started = Instant::now();
    loop {
        let answer = client.desk.clone().get_request_status(asked.clone()).await;
        if answer.is_err_and(|status| Failure::from(status).rule_code == "E-135") {
            break;
        }
        assert!(started.elapsed() < net::PATIENCE, "{}", relay.tail());
    }
    let status = Command::new(env!("CARGO_BIN_EXE_detente"))
        .args(["operator", "status", "--config"])
        .arg(&dev.made.relay_config)
        .output()
        .unwrap();
    let said = String::from_utf8(status.stdout).unwrap();
    assert!(said.contains("the tables cannot be kept: "), "{said}");
    std::fs::remove_file(&ballast).unwrap();
    assert!(relay.is_running(), "{}", relay.tail());
    assert!(!relay.tail().contains("panicked"), "{}", relay.tail());
    let started = Instant::now();
    let envelope = speaker.question(&net::desk("RO"));
    while client.submit(&envelope).await.is_err() {
        assert!(started.elapsed() < net::PATIENCE, "no writes any more");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for (envelope, first) in &acknowledged {
        let again = client.submit(envelope).await.unwrap();
        assert_eq!((again.index, again.repeat), (first.index, true));
    }
    // The tables catch up: what they answer from is there again.
    let newest = client.submit(&envelope).await.unwrap();
    let request = api::GetRequestStatusRequest {
        name: format!("requests/{}", envelope.statement.message),
        at_least_index: newest.index.0,
    };
    let status = client.desk.clone().get_request_status(request).await.unwrap().into_inner();
    assert_eq!(status.request.unwrap().handling, "NEW");
    assert!(acknowledged.len() > 100, "only {}", acknowledged.len());
}

/// Writes until not a byte more fits.
fn fill(path: &Path) {
    let mut file = std::fs::File::create(path).unwrap();
    for size in [1 << 20, 1 << 12, 1] {
        let bytes = vec![1; size];
        while std::io::Write::write_all(&mut file, &bytes).is_ok() {}
    }
}
