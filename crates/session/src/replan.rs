//! Planning again after a concurrent change, instead of overwriting it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Limits and delays of re-planning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// Maximum number of attempts, including the first one.
    pub limit: u32,
    /// How long a new attempt may begin after the first one.
    pub within: Duration,
    /// The delay before the second attempt; it doubles each time.
    pub first: Duration,
    /// The maximum delay.
    pub longest: Duration,
}

/// Executes a plan. After a concurrent change it waits, replaces the plan with a new one (`again`),
/// and executes that one. `plan` is the last executed one, also after an error.
///
/// # Errors
/// Those of `execute` and `again`, including a concurrent change in the last attempt.
pub async fn replan<P, E>(
    attempts: Attempts,
    plan: &mut P,
    mut execute: impl AsyncFnMut(&mut P) -> Result<(), E>,
    overtaken: impl Fn(&E) -> bool,
    mut again: impl AsyncFnMut(&mut P) -> Result<(), E>,
) -> Result<(), E> {
    let (mut attempt, start) = (1, Instant::now());
    loop {
        match execute(plan).await {
            Ok(()) => return Ok(()),
            Err(error)
                if overtaken(&error)
                    && attempt < attempts.limit
                    && start.elapsed() < attempts.within =>
            {
                tokio::time::sleep(attempts.wait(attempt)).await;
            }
            Err(error) => return Err(error),
        }
        attempt += 1;
        again(plan).await?;
    }
}

impl Attempts {
    /// The delay after an attempt: exponential backoff with jitter (50 to 100 %).
    #[must_use]
    pub fn wait(&self, attempt: u32) -> Duration {
        let doubled = self.first.saturating_mul(2u32.saturating_pow(attempt.saturating_sub(1)));
        let nanos =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        let jitter = f64::from((nanos ^ std::process::id()) % 1000) / 2000.0;
        doubled.min(self.longest).mul_f64(0.5 + jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Attempts = Attempts {
        limit: 3,
        within: Duration::MAX,
        first: Duration::from_millis(1),
        longest: Duration::from_millis(2),
    };

    async fn run(fails: u32) -> (Result<u32, &'static str>, u32) {
        let (mut executed, mut plan) = (0, 0);
        let ended = replan(
            FAST,
            &mut plan,
            async |_: &mut u32| {
                executed += 1;
                if executed <= fails { Err("overtaken") } else { Ok(()) }
            },
            |error| *error == "overtaken",
            async |plan| {
                *plan += 1;
                Ok(())
            },
        )
        .await;
        (ended.map(|()| plan), executed)
    }

    #[tokio::test]
    async fn an_overtaken_plan_is_made_again_until_the_attempts_are_used_up() {
        assert_eq!(run(0).await, (Ok(0), 1));
        assert_eq!(run(2).await, (Ok(2), 3));
        assert_eq!(run(3).await, (Err("overtaken"), 3));
    }

    #[test]
    fn delays_double_up_to_the_maximum_and_never_overflow() {
        assert!(FAST.wait(1) <= Duration::from_millis(1));
        assert!(FAST.wait(u32::MAX) <= FAST.longest && FAST.wait(2) >= FAST.longest / 2);
    }
}
