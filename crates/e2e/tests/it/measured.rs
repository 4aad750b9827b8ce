//! What it costs to run, measured. Times are printed, not asserted: a shared machine has moods.

use std::time::Duration;

use coatroom_e2e::Gateway;

#[tokio::test]
async fn it_starts_at_once_and_is_small_when_idle() {
    let mut gateway = Gateway::demo().await;
    let first = gateway.started_in();
    let mut later = Vec::new();
    for _ in 0..5 {
        gateway.restart().await;
        later.push(gateway.started_in());
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let resident = gateway.resident_kib();
    println!("first start to first discovery answer: {first:?}, later starts: {later:?} (goal: 100 ms)");
    println!("resident when idle: {resident} KiB (goal: 20,480 KiB)");
    assert!(resident < 32 * 1024, "{resident} KiB resident when idle");
}
