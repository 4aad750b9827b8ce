//! libFuzzer over [`coatroom_fuzz::document`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    coatroom_fuzz::document::check(data);
});
