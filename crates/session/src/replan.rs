//! What to do where somebody else was faster: plan again, never overwrite.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often a plan that was overtaken is made again, and how long is waited in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// Maximum number of attempts, the first one included.
    pub limit: u32,
    /// The wait before the second attempt; it doubles each time.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

/// Executes a plan. If somebody else changed something since it was made, waits, makes it again and
/// executes that one. Returns the plan that was executed.
///
/// # Errors
/// Those of `execute` and `again`; that of the last attempt, also where it was overtaken.
pub async fn replan<P, E>(
    attempts: Attempts,
    mut plan: P,
    mut execute: impl AsyncFnMut(&mut P) -> Result<(), E>,
    overtaken: impl Fn(&E) -> bool,
    mut again: impl AsyncFnMut(P) -> Result<P, E>,
) -> Result<P, E> {
    let mut attempt = 1;
    loop {
        match execute(&mut plan).await {
            Ok(()) => return Ok(plan),
            Err(error) if overtaken(&error) && attempt < attempts.limit => {
                tokio::time::sleep(attempts.wait(attempt)).await;
            }
            Err(error) => return Err(error),
        }
        attempt += 1;
        plan = again(plan).await?;
    }
}

impl Attempts {
    /// Not the same for two writers that met: between half and all of the doubled wait.
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

    const FAST: Attempts =
        Attempts { limit: 3, first: Duration::from_millis(1), longest: Duration::from_millis(2) };

    async fn run(fails: u32) -> (Result<u32, &'static str>, u32) {
        let mut executed = 0;
        let ended = replan(
            FAST,
            0,
            async |_: &mut u32| {
                executed += 1;
                if executed <= fails { Err("overtaken") } else { Ok(()) }
            },
            |error| *error == "overtaken",
            async |plan| Ok(plan + 1),
        )
        .await;
        (ended, executed)
    }

    #[tokio::test]
    async fn an_overtaken_plan_is_made_again_until_the_attempts_are_used_up() {
        assert_eq!(run(0).await, (Ok(0), 1));
        assert_eq!(run(2).await, (Ok(2), 3));
        assert_eq!(run(3).await, (Err("overtaken"), 3));
    }

    #[test]
    fn waits_double_up_to_the_longest_and_never_overflow() {
        assert!(FAST.wait(1) <= Duration::from_millis(1));
        assert!(FAST.wait(u32::MAX) <= FAST.longest && FAST.wait(2) >= FAST.longest / 2);
    }
}
