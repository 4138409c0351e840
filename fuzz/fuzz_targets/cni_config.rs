#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| ipam_cni::testing::fuzz_config(data));
