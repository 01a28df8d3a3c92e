//! What people had: every folder of `fixtures/field` is run as its `expected.txt` says.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::panic, reason = "a test fails by panicking")]

mod case;
mod servers;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

use case::Case;
use servers::Servers;

/// How many cases run side by side: some only wait for a time limit.
const WORKERS: usize = 8;

#[test]
fn what_people_had_ends_as_it_should() {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/field"));
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    // Those that wait for a time limit begin first, so that the others run while they wait.
    let mut cases: Vec<Case> = folders.iter().map(|folder| Case::read(folder)).collect();
    cases.sort_by_key(|case| !case.takes_long());
    let (count, queue) = (cases.len(), Mutex::new(VecDeque::from(cases)));
    let (servers, faults) = (Servers::default(), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().unwrap().pop_front() else { break };
                    let found = case.run(&servers);
                    faults.lock().unwrap().extend(found);
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{} of {count} cases:\n\n{}", faults.len(), faults.join("\n\n"));
}
