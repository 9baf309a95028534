//! I6 and A11: certificates and lists are replaced, and the relay is stopped, under load; nobody's
//! call fails for it, and nothing acknowledged is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use detente::config;
use detente::envelope::Envelope;
use detente::grpc::client::Recorded;
use tonic::client::GrpcService as _;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::net::{self, Dev, PATIENCE, Process, Shared, Speaker, until_up};

const HANGUPS: usize = 100;

/// How often the log has this.
fn count(relay: &Process, words: &str) -> usize {
    relay.log().matches(words).count()
}

async fn until(what: &str, relay: &Process, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "{what}: {}", relay.tail());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Calls until told to stop, each on the connection that is there or on a new one.
async fn load(dev: Arc<Dev>, over: Arc<AtomicBool>, done: Arc<AtomicU64>, fresh: bool) {
    let speaker = Speaker::new(&dev, "NL");
    let mut client = net::relay_client(&dev, "NL");
    while !over.load(Ordering::SeqCst) {
        let said = speaker.question(&net::desk("RO"));
        let recorded = client.submit(&said).await.expect("no call fails for a reload");
        assert!(!recorded.repeat);
        done.fetch_add(1, Ordering::SeqCst);
        if fresh {
            client = net::relay_client(&dev, "NL");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_reloads_under_load_fail_no_call() {
    let dev = Arc::new(Dev::new(&["NL", "RO"]));
    let mut relay = dev.start_relay();
    let client = net::relay_client(&dev, "NL");
    until_up(&client, &mut relay).await;
    let (over, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let load: Vec<_> = [false, false, true, true]
        .map(|fresh| tokio::spawn(load(dev.clone(), over.clone(), done.clone(), fresh)))
        .into();
    let directory = dev.made.directory.to_str().unwrap();
    for hangup in 0..HANGUPS {
        if hangup % 10 == 0 {
            net::run(&["pki", "renew", directory, "relay"]);
            net::run(&["pki", "crl", directory, "NL"]);
        }
        relay.signal("HUP");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    until("reloads", &relay, || {
        // Two signals that wait are one.
        relay.signal("HUP");
        count(&relay, "own certificate loaded") > 10
    })
    .await;
    over.store(true, Ordering::SeqCst);
    for task in load {
        task.await.unwrap();
    }
    assert!(done.load(Ordering::SeqCst) > 100, "the load was no load");
    // Who reads between a new key and its certificate keeps what it has, and says so.
    let unfit = |line: &&str| line.contains("own certificate");
    let log = relay.log();
    let errors: Vec<&str> =
        log.lines().filter(|line| line.contains("ERROR") && !unfit(line)).collect();
    assert_eq!(errors, Vec::<&str>::new());

    // What cannot be used is said and left alone.
    let config = dev.relay_config();
    let certificate = std::fs::read(&config.tls.certificate).unwrap();
    let list = config.tls.revocation_lists.join("nl.crl.pem");
    let good_list = std::fs::read(&list).unwrap();
    std::fs::write(&config.tls.certificate, "no certificate").unwrap();
    std::fs::write(&list, "no list").unwrap();
    for words in
        ["own certificate kept as it was", "revocation list not usable; the one before is kept"]
    {
        let before = count(&relay, words);
        until(words, &relay, || {
            relay.signal("HUP");
            count(&relay, words) > before
        })
        .await;
    }
    net::relay_client(&dev, "NL").signed_genesis().await.unwrap();
    client.signed_genesis().await.unwrap();
    std::fs::write(&config.tls.certificate, certificate).unwrap();
    std::fs::write(&list, good_list).unwrap();

    // A renewal is taken up without a signal too.
    let before = count(&relay, "own certificate reloaded");
    net::run(&["pki", "renew", directory, "relay"]);
    until("a renewal", &relay, || count(&relay, "own certificate reloaded") > before).await;
    net::relay_client(&dev, "NL").signed_genesis().await.unwrap();
}

/// Writes until it is over; what fails is sent again until it is acknowledged.
async fn write(
    dev: Arc<Dev>,
    kept: Shared<Vec<(Envelope, Recorded)>>,
    failed: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
) {
    let speaker = Speaker::new(&dev, "NL");
    let client = net::relay_client(&dev, "NL");
    while !over.load(Ordering::SeqCst) {
        let said = speaker.question(&net::desk("RO"));
        loop {
            match client.submit(&said).await {
                Ok(recorded) => {
                    kept.lock().unwrap().push((said, recorded));
                    break;
                }
                Err(failure) => {
                    assert!(failure.retry, "refused for good: {failure}");
                    failed.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_is_drained_and_loses_nothing() {
    let dev = Arc::new(Dev::new(&["NL", "RO"]));
    let mut relay = dev.start_relay();
    let client = net::relay_client(&dev, "NL");
    until_up(&client, &mut relay).await;
    let kept = Shared::<Vec<_>>::default();
    let (failed, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> = (0..4)
        .map(|_| tokio::spawn(write(dev.clone(), kept.clone(), failed.clone(), over.clone())))
        .collect();
    for round in 1..=3 {
        let before = kept.lock().unwrap().len();
        until("load", &relay, || kept.lock().unwrap().len() > before + 20).await;
        let (heard, first) = tokio::sync::oneshot::channel();
        let health = tokio::spawn(last_health(dev.relay_config(), heard));
        first.await.unwrap();
        relay.signal("TERM");
        let ended = tokio::task::spawn_blocking(move || {
            let status = relay.wait(PATIENCE);
            (relay, status)
        });
        let (stopped, status) = ended.await.unwrap();
        assert!(status.success(), "round {round}: {}", stopped.tail());
        assert_eq!(count(&stopped, "cut off: calls were still open"), 0, "{}", stopped.tail());
        assert_eq!(health.await.unwrap(), Some(ServingStatus::NotServing as i32), "round {round}");
        assert!(!stopped.log().contains("torn"), "{}", stopped.tail());
        relay = dev.start_relay();
        until_up(&client, &mut relay).await;
    }
    over.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    let kept = kept.lock().unwrap().clone();
    for (said, recorded) in &kept {
        let again = client.submit(said).await.unwrap();
        assert_eq!((again.index, again.repeat), (recorded.index, true), "acknowledged and lost");
    }
    println!("{} acknowledged, {} calls tried again", kept.len(), failed.load(Ordering::SeqCst));
}

/// A call whose body never comes holds the drain open; a second signal does not wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_the_relay_at_once() {
    let dev = Dev::new(&["NL", "RO"]);
    for again in [true, false] {
        let mut relay = dev.start_relay();
        let client = net::relay_client(&dev, "NL");
        until_up(&client, &mut relay).await;
        let mut channel = crate::bad_input_wire::channel(&dev, "NL");
        let (never, begun) = crate::api_limits::never();
        let request = http::Request::post("/detente.desk.v1.DeskService/Submit")
            .header("content-type", "application/grpc")
            .body(never)
            .unwrap();
        std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
        let held = tokio::spawn(channel.call(request));
        begun.await.unwrap();
        // What comes after it on the same connection is answered: the relay has it.
        let mut health = HealthClient::new(channel);
        let unknown = health.check(HealthCheckRequest::default()).await.unwrap_err();
        assert_eq!(unknown.code(), tonic::Code::Unimplemented);
        relay.signal("TERM");
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(relay.is_running(), "an open call was not waited for: {}", relay.tail());
        if again {
            until("its end", &relay, || {
                relay.signal("TERM");
                count(&relay, "C-611") > 0
            })
            .await;
            assert_eq!(relay.wait(PATIENCE).code(), Some(1), "{}", relay.tail());
        } else {
            assert!(relay.wait(PATIENCE).success(), "{}", relay.tail());
        }
        held.abort();
    }
}

/// Watches health until the operator's listener ends; the last that was heard.
async fn last_health(
    config: config::Relay,
    heard_first: tokio::sync::oneshot::Sender<()>,
) -> Option<i32> {
    let address = format!("http://{}", config.listen.operator);
    let channel = tonic::transport::Channel::from_shared(address).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel);
    let request = HealthCheckRequest { service: String::new() };
    let mut stream = health.watch(request).await.unwrap().into_inner();
    let (mut last, mut heard_first) = (None, Some(heard_first));
    while let Ok(Some(heard)) = stream.message().await {
        let _told = heard_first.take().map(|tell| tell.send(()));
        last = Some(heard.status);
    }
    last
}
