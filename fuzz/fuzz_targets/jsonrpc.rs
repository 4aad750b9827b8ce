//! libFuzzer over [`coatroom_fuzz::jsonrpc`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = coatroom_fuzz::jsonrpc::check(data);
});
