#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| discovery_core::testing::fuzz_callers(data));
