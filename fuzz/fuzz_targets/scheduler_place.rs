#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| scheduler_core::testing::fuzz_place(data));
