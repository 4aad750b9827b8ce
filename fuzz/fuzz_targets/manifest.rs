//! libFuzzer over [`coatroom_fuzz::manifest`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = coatroom_fuzz::manifest::check(data);
});
