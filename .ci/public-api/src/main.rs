//! `public-api-text FILE.json`: the public items of a crate, one a line and sorted, from rustdoc's JSON.
//!
//! Of derived traits only the `impl` is printed, not its methods; of auto traits only that a type is not `Send` or not `Sync`.
//! Blanket implementations say nothing of the crate.
#![forbid(unsafe_code)]

use public_api::Builder;
use std::collections::BTreeSet;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("public-api-text: no file; usage: public-api-text FILE.json");
        return ExitCode::from(2);
    };
    let json = Builder::from_rustdoc_json(&path).omit_blanket_impls(true);
    let written = json.clone().omit_auto_derived_impls(true);
    let written = written.omit_auto_trait_impls(true);
    let derived = json.clone().omit_auto_trait_impls(true);
    match (json.build(), derived.build(), written.build()) {
        (Ok(all), Ok(derived), Ok(written)) => {
            let lines = |api: &public_api::PublicApi| -> BTreeSet<String> {
                api.items().map(ToString::to_string).collect()
            };
            let (derived, written) = (lines(&derived), lines(&written));
            let is_derive = |line: &str| {
                line.starts_with("impl") && !line.contains("core::marker::StructuralPartialEq")
            };
            let is_loss = |line: &str| line.contains("!core::marker::S");
            for line in all.items().map(ToString::to_string) {
                if written.contains(&line)
                    || is_loss(&line)
                    || derived.contains(&line) && is_derive(&line)
                {
                    println!("{line}");
                }
            }
            ExitCode::SUCCESS
        }
        (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
            eprintln!("public-api-text: {}: {error}", path.display());
            ExitCode::from(3)
        }
    }
}
