//! `issuerctl jwks`

use crate::Outcome;
use crate::cli::{JwksArgs, OutputFormat};
use crate::output;
use crate::sources;
use crate::talk::Talk;

pub(crate) fn run(args: &JwksArgs, format: OutputFormat, talk: &Talk) -> Outcome {
    let mut set = sources::read(&args.keys.keys, talk)?.keys;
    if args.with_empty_kid {
        set = set.with_empty_kid()?;
    }
    let json = if args.pretty { set.to_json_pretty() } else { set.to_json() };
    output::keys_document(format, json, &set)
}
