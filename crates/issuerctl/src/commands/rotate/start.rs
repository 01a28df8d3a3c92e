//! `issuerctl rotate start`

use issuer_jwks::{GeneratedKey, Jwk, JwkSet};
use issuer_publish::Purpose;
use issuer_rotation::may_start;

use super::Change;
use crate::Outcome;
use crate::cli::{OutputFormat, RotateStartArgs};
use crate::commands::keygen;
use crate::failure::{Exit, Failure};
use crate::rotation::{self, Ask};
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

pub(crate) fn run(args: &RotateStartArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let (place, servers) = (&args.change.site.place, &args.change.servers);
    let mut target = targets::of_site(place, args.change.keep)?;
    if place.s3.print_iam_policy {
        return super::policy(&target, Purpose::Publish, format, ui);
    }
    if let Some(site) = &mut target.site {
        site.options.announces = true;
    }
    let (key, generated) = new_key(args, ui)?;
    let rotation = rotation::rotation(place, args.change.keep, servers, None, &target);
    let engine = super::engine(place, &target, ui)?;
    Runtime::start(ui)?.block_on(async {
        let seen = rotation::look(&engine, &target, servers, Ask::IfGiven, ui).await?;
        let starts = may_start(key.kid.as_str(), &seen.facts)?;
        let keys = if starts {
            // The newest key is the first, which is how it is recognised as the new one.
            JwkSet::from_keys([key.key.clone()])?.union(&seen.published)?
        } else {
            seen.published.clone()
        };
        if let (Some(generated), Some(folder)) = (&generated, &args.out_dir) {
            keygen::write_new(folder, generated, ui)?;
        }
        let change = Change { keys, notices: Vec::new(), keeps_live: true };
        let (_, exit) =
            super::publish(&engine, &mut target, seen, change, (&args.change, format, ui)).await?;
        if !args.change.dry_run {
            ui.next(&format!("`issuerctl rotate status {} {}`", rotation.place, rotation.servers));
        }
        Ok(exit)
    })
}

/// The new key; a generated one is not written yet.
fn new_key(args: &RotateStartArgs, ui: &Ui) -> Result<(Jwk, Option<GeneratedKey>), Failure> {
    if let Some(path) = &args.new_key {
        return Ok((super::key_of(path, ui)?, None));
    }
    let Some(folder) = &args.out_dir else {
        return Err(Failure::new(Exit::Usage, "--generate needs --out-dir"));
    };
    let public = folder.join("sa.pub");
    // A run that was interrupted is continued with the same key.
    if public.is_file() {
        ui.note(&format!("{} exists and is used", public.display()));
        return Ok((super::key_of(&public, ui)?, None));
    }
    let generated = issuer_jwks::generate(args.algorithm.into())?;
    let jwk = Jwk { kid: generated.public.kid(), key: generated.public.clone() };
    Ok((jwk, Some(generated)))
}
