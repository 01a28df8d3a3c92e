//! `issuerctl man`

use clap::CommandFactory;

use crate::Outcome;
use crate::cli::{Cli, ManArgs, OutputFormat};
use crate::failure::{Exit, Failure};
use crate::man_page;
use crate::output::{self, SCHEMA_VERSION};
use crate::ui::Ui;

pub(crate) fn run(args: &ManArgs, format: OutputFormat, ui: &Ui) -> Outcome {
    let refuse = |error: std::io::Error| {
        Failure::while_doing(
            Exit::of_io(&error),
            format!("cannot write man pages to {}", args.out_dir.display()),
            &error,
        )
    };
    std::fs::create_dir_all(&args.out_dir).map_err(refuse)?;
    let mut files = Vec::new();
    for (name, page) in man_page::pages(Cli::command()).map_err(refuse)? {
        std::fs::write(args.out_dir.join(&name), page).map_err(refuse)?;
        files.push(name);
    }
    files.sort();
    ui.note(&format!("wrote {} man pages to {}", files.len(), args.out_dir.display()));
    if format == OutputFormat::Json {
        output::json(&output::Files { schema_version: SCHEMA_VERSION, files })?;
    }
    Ok(Exit::Done)
}
