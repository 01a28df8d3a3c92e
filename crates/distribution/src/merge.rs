//! The two uses: lines alone, and an existing file with the lines in it.

use crate::decision::{Current, Decision, Next, Step, decide};
use crate::{Distribution, Error, Request, form, fragment};

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rendered {
    /// The whole file, or the lines alone.
    pub document: String,
    /// Whether it differs from the file.
    pub changed: bool,
    /// The issuers that the API server accepts now, as far as is known.
    pub before: Vec<String>,
    /// The issuers that the API server accepts then; the first signs.
    pub issuers: Vec<String>,
    /// Which of the three steps this is.
    pub step: Step,
    /// Whether the issuer that signs now was accepted before, so that other API servers know it.
    pub prepared: bool,
    /// Why this configuration has no step in which both issuers are accepted and the old one signs,
    /// if it has none.
    pub no_first_step: Option<String>,
    /// The step that follows.
    pub next: Option<Next>,
    /// What stops working, and what cannot be known.
    pub warnings: Vec<String>,
}

/// The lines alone, with a comment on what has to be restarted.
///
/// # Errors
/// Issuers that are not valid, or that this distribution cannot have.
pub fn render(request: &Request) -> Result<Rendered, Error> {
    request.check(&[])?;
    let decision = decide(&fragment::current(request), request)?;
    let (lines, warnings) = fragment::lines(request, &decision)?;
    Ok(Rendered {
        document: fragment::commented(request, &decision, &lines),
        changed: true,
        issuers: decision.issuers.clone(),
        step: decision.step,
        prepared: decision.prepared,
        no_first_step: None,
        before: decision.before.clone(),
        next: decision.next(),
        warnings,
    })
}

/// An existing file with the change made. Comments, order, quoting and everything that is not about
/// the issuer keep their bytes; a second call changes nothing.
///
/// # Errors
/// [`Error::Lost`] and other conflicts; a file that is not valid or of another kind.
pub fn merge(request: &Request, text: &str) -> Result<Rendered, Error> {
    let (mark, body) = match text.strip_prefix('\u{feff}') {
        Some(body) => ("\u{feff}", body),
        None => ("", text),
    };
    let form = form::find(request, body)?;
    let current = form.current()?;
    let mut decision = decide(&current, request)?;
    decision.warnings.extend(form.check(&decision)?);
    let result = form.write(&decision)?;
    confirm(request, body, &decision, &current, &result)?;
    // The first step, tried: a form or a version may hold one issuer.
    let first_step = || {
        let keep = vec![decision.signing().to_owned()];
        let issuer = decision.before.first()?.clone();
        let request = Request { issuer, keep, drop: Vec::new(), ..request.clone() };
        let tried = decide(&current, &request).and_then(|first| {
            form.check(&first)?;
            form.write(&first)
        });
        tried.err().map(|error| error.to_string())
    };
    Ok(Rendered {
        no_first_step: if decision.prepared { None } else { first_step() },
        changed: result != body,
        document: format!("{mark}{result}"),
        issuers: decision.issuers.clone(),
        step: decision.step,
        prepared: decision.prepared,
        before: decision.before.clone(),
        next: decision.next(),
        warnings: decision.warnings,
    })
}

/// Reads the result back: the issuers are those that were decided, the other documents are the
/// same, and the same request would change nothing. A file that is laid out in an unforeseen way is
/// refused, not damaged.
fn confirm(
    request: &Request,
    before: &str,
    decision: &Decision,
    current: &Current,
    after: &str,
) -> Result<(), Error> {
    let wrong = |_| Error::Unsupported;
    let form = form::find(request, after).map_err(wrong)?;
    let now = form.current().map_err(wrong)?;
    let issuers = &decision.issuers;
    let same = now.accepted.first() == issuers.first()
        && now.accepted.len() == issuers.len()
        && issuers.iter().all(|issuer| now.accepted.contains(issuer));
    if !same || now.defaults != current.defaults {
        return Err(Error::Unsupported);
    }
    let again = Request { keep: issuers.get(1..).unwrap_or_default().to_vec(), ..request.clone() };
    let next = decide(&now, &again).map_err(wrong)?;
    if form.write(&next).map_err(wrong)? != after {
        return Err(Error::Unsupported);
    }
    let kept = request.distribution == Distribution::MicroK8s
        || form::keeps_everything_else(request.distribution, &decision.known, before, after);
    if kept { Ok(()) } else { Err(Error::Unsupported) }
}
