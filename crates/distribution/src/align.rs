//! Which lines of a list change, so that it holds the wanted values.

/// What happens to an existing entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Keep,
    Replace(String),
    Remove,
}

/// The changes of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Changes {
    /// For each existing entry: what is added before it, and what happens to it.
    pub(crate) entries: Vec<(Vec<String>, Change)>,
    /// What is added behind the last one.
    pub(crate) after: Vec<String>,
}

/// Turns the existing entries into the wanted ones. An entry that stays keeps its line, and with it
/// the comments; one that goes gives its line to one that comes.
pub(crate) fn align(existing: &[&str], wanted: &[&str]) -> Changes {
    let stays: Vec<usize> = (0..existing.len())
        .filter(|&index| {
            wanted.contains(&existing[index]) && !existing[..index].contains(&existing[index])
        })
        .collect();
    let mut rest = wanted.iter();
    if !stays.iter().all(|&index| rest.any(|wanted| *wanted == existing[index])) {
        return in_turn(existing, wanted);
    }
    let mut changes = Changes::default();
    let mut next = wanted.iter().peekable();
    let mut free: Vec<usize> = Vec::new();
    for (index, entry) in existing.iter().enumerate() {
        changes.entries.push((Vec::new(), Change::Keep));
        if !stays.contains(&index) {
            changes.entries[index].1 = Change::Remove;
            free.push(index);
            continue;
        }
        let mut free = std::mem::take(&mut free).into_iter();
        while let Some(wanted) = next.next_if(|wanted| *wanted != entry) {
            match free.next() {
                Some(place) => changes.entries[place].1 = Change::Replace((*wanted).to_owned()),
                None => changes.entries[index].0.push((*wanted).to_owned()),
            }
        }
        next.next();
    }
    let mut free = free.into_iter();
    for wanted in next {
        match free.next() {
            Some(place) => changes.entries[place].1 = Change::Replace((*wanted).to_owned()),
            None => changes.after.push((*wanted).to_owned()),
        }
    }
    changes
}

/// Place by place, where the order changes.
fn in_turn(existing: &[&str], wanted: &[&str]) -> Changes {
    let entries = existing.iter().enumerate().map(|(index, entry)| {
        let change = match wanted.get(index) {
            None => Change::Remove,
            Some(wanted) if wanted == entry => Change::Keep,
            Some(wanted) => Change::Replace((*wanted).to_owned()),
        };
        (Vec::new(), change)
    });
    let after = wanted.iter().skip(existing.len()).map(|wanted| (*wanted).to_owned());
    Changes { entries: entries.collect(), after: after.collect() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn apply(existing: &[&str], changes: &Changes) -> Vec<String> {
        let mut result = Vec::new();
        for (entry, (before, change)) in existing.iter().zip(&changes.entries) {
            result.extend(before.iter().cloned());
            match change {
                Change::Keep => result.push((*entry).to_owned()),
                Change::Replace(new) => result.push(new.clone()),
                Change::Remove => {}
            }
        }
        result.extend(changes.after.iter().cloned());
        result
    }

    #[test]
    fn an_entry_that_stays_keeps_its_line() {
        let changes = align(&["old"], &["new", "old", "default"]);
        assert_eq!(changes.entries, [(vec!["new".to_owned()], Change::Keep)]);
        assert_eq!(changes.after, ["default"]);
    }

    #[test]
    fn an_entry_that_goes_gives_its_line_to_one_that_comes() {
        let changes = align(&["old"], &["new"]);
        assert_eq!(changes.entries, [(Vec::new(), Change::Replace("new".to_owned()))]);
    }

    proptest! {
        #[test]
        fn the_result_is_what_was_wanted(
            existing in prop::collection::vec("[abcd]", 0..5),
            wanted in prop::collection::hash_set("[abcde]", 0..5),
        ) {
            let existing: Vec<&str> = existing.iter().map(String::as_str).collect();
            let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
            prop_assert_eq!(apply(&existing, &align(&existing, &wanted)), wanted);
        }
    }
}
