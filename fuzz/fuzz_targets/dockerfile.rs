#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| containerize_fuzz::dockerfile(bytes));
