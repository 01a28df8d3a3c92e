//! `issuerctl discovery`

use issuer_discovery::{Discovery, IssuerUrl};

use crate::Outcome;
use crate::cli::{DiscoveryArgs, OutputFormat};
use crate::keys;
use crate::output;
use crate::ui::Ui;

pub(crate) fn run(args: &DiscoveryArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let issuer = IssuerUrl::parse(&args.issuer, args.document.ports.ports())?;
    let given = keys::read(&args.keys.keys, &args.tls, ui)?;
    ui.notices(&given.notices_for(&issuer));
    let set = given.keys;
    let document = Discovery::new(
        issuer,
        args.jwks_uri.as_deref(),
        set.algorithms(),
        args.document.shape.into(),
    )?;
    let json = if args.pretty { document.to_json_pretty() } else { document.to_json() };
    output::keys_document(format, json, &set)
}
