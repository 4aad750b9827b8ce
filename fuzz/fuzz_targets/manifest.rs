//! libFuzzer over [`coatroom_fuzz::manifest`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    coatroom_fuzz::manifest::check(data);
});
