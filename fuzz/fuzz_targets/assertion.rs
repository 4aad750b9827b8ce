//! libFuzzer over [`coatroom_fuzz::assertion`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    coatroom_fuzz::assertion::check(data);
});
