//! libFuzzer over [`coatroom_fuzz::assertion`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = coatroom_fuzz::assertion::check(data);
});
