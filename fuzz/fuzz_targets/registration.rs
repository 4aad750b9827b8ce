//! libFuzzer over [`coatroom_fuzz::registration`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    coatroom_fuzz::registration::check(data);
});
