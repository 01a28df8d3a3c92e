//! How many commands a user types, and how long they take.

use std::fmt::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The manual steps of the guides (self-hosted setup of the pod identity webhook, and the IRSA page
/// of EKS Anywhere), each with its number of commands.
const MANUAL: [(&str, u32); 9] = [
    ("bucket: create, public access block, ownership", 3),
    ("discovery document: write it by hand", 1),
    ("extraction: kubectl get secret | base64 -d", 1),
    ("key generator: fetch it, go run", 2),
    ("jq: the second entry with the empty kid", 1),
    ("upload: two objects", 2),
    ("provider: create-open-id-connect-provider", 1),
    ("role: create, attach a policy", 2),
    ("trust: write the policy by hand", 1),
];

struct Figure {
    flow: String,
    step: &'static str,
    commands: u32,
    took: Duration,
}

static FIGURES: Mutex<Vec<Figure>> = Mutex::new(Vec::new());

/// One flow; each of its steps is timed.
pub(crate) struct Flow {
    name: String,
}

impl Flow {
    pub(crate) fn new(name: String) -> Self {
        Self { name }
    }

    /// Runs one step, in which a user types this number of commands.
    pub(crate) fn step<T>(&self, step: &'static str, commands: u32, run: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let value = run();
        let figure = Figure { flow: self.name.clone(), step, commands, took: start.elapsed() };
        FIGURES.lock().unwrap().push(figure);
        value
    }
}

/// All flows with their sums, and the manual one for comparison.
pub(crate) fn table() -> String {
    let mut text = String::from("from \"API server ready\" to \"object read with a role\":\n");
    let mut figures = FIGURES.lock().unwrap();
    figures.sort_by(|a, b| a.flow.cmp(&b.flow));
    for flow in figures.chunk_by(|a, b| a.flow == b.flow) {
        let _ = writeln!(text, "\n{:<58}commands  seconds", flow[0].flow);
        for figure in flow {
            let _ = writeln!(
                text,
                "  {:<56}{:>8}  {:>7.2}",
                figure.step,
                figure.commands,
                figure.took.as_secs_f64()
            );
        }
        let commands: u32 = flow.iter().map(|figure| figure.commands).sum();
        let took: f64 = flow.iter().map(|figure| figure.took.as_secs_f64()).sum();
        let _ = writeln!(text, "  {:<56}{commands:>8}  {took:>7.2}", "sum");
    }
    let _ = writeln!(text, "\n{:<58}commands", "manually, following the guides");
    for (step, commands) in MANUAL {
        let _ = writeln!(text, "  {step:<56}{commands:>8}");
    }
    let _ = writeln!(
        text,
        "  {:<56}{:>8}",
        "sum",
        MANUAL.iter().map(|(_, commands)| commands).sum::<u32>()
    );
    text
}
