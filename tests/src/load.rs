//! Pods that assume a role all the time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::{AwsAccount, exchange};

/// Pods that exchange their tokens all the time.
pub struct Load {
    tokens: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    pods: thread::JoinHandle<Result<(), String>>,
}

impl Load {
    /// Starts with one of them.
    pub fn start(account: &Arc<AwsAccount>, token: String) -> Self {
        let tokens = Arc::new(Mutex::new(vec![token]));
        let (stop, count) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (held, stops, counts, account) =
            (tokens.clone(), stop.clone(), count.clone(), account.clone());
        let pods = thread::spawn(move || {
            while !stops.load(Ordering::Relaxed) {
                let tokens = held.lock().unwrap().clone();
                for token in tokens {
                    exchange(&account, &token)?;
                    counts.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(())
        });
        Self { tokens, stop, count, pods }
    }

    /// One more pod.
    pub fn add(&self, token: String) {
        self.tokens.lock().unwrap().push(token);
    }

    /// Ends it; returns how many tokens were exchanged. None may have been refused.
    pub fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.pods.join().unwrap().unwrap_or_else(|why| panic!("an exchange failed: {why}"));
        self.count.load(Ordering::Relaxed)
    }
}
