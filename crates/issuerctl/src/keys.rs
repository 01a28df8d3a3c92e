//! The keys of commands that need nothing else.

use issuer_reconcile::{KeySource, SourceKeys, read_files, read_keys};

use crate::cli::{KeyArgs, TlsArgs};
use crate::engine;
use crate::failure::Failure;
use crate::files;
use crate::runtime::Runtime;
use crate::targets;
use crate::ui::Ui;

/// Reads every given source; the runtime starts only if one of them is not a file.
///
/// # Errors
/// A source that cannot be read or has no usable key; two sources with different keys under the
/// same kid.
pub(crate) fn read(args: &KeyArgs, tls: &TlsArgs, ui: &Ui) -> Result<SourceKeys, Failure> {
    let (sources, weak) = (targets::key_sources(args)?, args.weak());
    let keys = if sources.iter().all(KeySource::is_file) {
        read_files(&sources, weak, files::read_bytes)?
    } else {
        let fetch = engine::fetch_options(tls)?;
        let read =
            async { Ok(read_keys(&sources, weak, files::read_bytes, &fetch, "", ui).await?) };
        Runtime::start(ui)?.block_on(read)?
    };
    ui.notices(&keys.notices);
    Ok(keys)
}
