//! libFuzzer over [`coatroom_fuzz::redirect_uri`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = coatroom_fuzz::redirect_uri::check(data);
});
