//! libFuzzer over [`coatroom_fuzz::claims`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = coatroom_fuzz::claims::check(data);
});
