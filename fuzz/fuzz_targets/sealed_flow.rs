//! libFuzzer over [`coatroom_fuzz::sealed_flow`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = coatroom_fuzz::sealed_flow::check(data);
});
