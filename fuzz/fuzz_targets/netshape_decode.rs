#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| netshape::testing::fuzz_decode(data));
