//! libFuzzer over [`coatroom_fuzz::registration`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = coatroom_fuzz::registration::check(data);
});
