//! libFuzzer over [`coatroom_fuzz::document`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = coatroom_fuzz::document::check(data);
});
