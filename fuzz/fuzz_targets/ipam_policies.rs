#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| ipam::testing::fuzz_policies(data));
