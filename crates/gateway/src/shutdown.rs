//! When the program ends: at SIGTERM or SIGINT.

/// Completes at the first SIGTERM or SIGINT (elsewhere than on Unix: Ctrl-C).
pub(crate) async fn requested() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = interrupted => {}
            _ = terminated.recv() => {}
        }
        tracing::info!("stopping");
        return;
    }
    let _ = interrupted.await;
    tracing::info!("stopping");
}
