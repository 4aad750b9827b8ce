//! libFuzzer over [`coatroom_fuzz::params`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = coatroom_fuzz::params::check(data);
});
