//! Texts in any layout, and what a change makes of them. The generator knows each value, so that
//! neither the parser nor the editor is its own judge.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod texts;

use issuer_yaml::{At, Editor, Error, Step, Value, parse};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value as Json, json};
use texts::{Text, texts};

/// More with `PROPTEST_CASES`.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(200)
}

fn new_values() -> impl Strategy<Value = Json> {
    select(vec![
        json!("new"),
        json!("a: b # d"),
        json!("yes"),
        json!("https://a.example/x?y=[1,2]"),
        json!("two\nlines\n"),
        json!(7),
        json!(null),
        json!([]),
        json!({"name": "a", "value": "b"}),
        json!({"deep": {"list": [{"x": 1}, "y"], "text": "'q'"}}),
        json!([["a"], {"b": [1]}]),
    ])
}

/// The paths of all nodes that have a value of this kind, as written or through aliases.
fn paths(value: &Json, wanted: &impl Fn(&Json) -> bool) -> Vec<Vec<Step<'static>>> {
    let mut found = Vec::new();
    let mut pending = vec![(Vec::new(), value)];
    while let Some((path, value)) = pending.pop() {
        if wanted(value) {
            found.push(path.clone());
        }
        let below = |step: Step<'static>| [&path[..], &[step]].concat();
        match value {
            Json::Array(items) => {
                let items = items.iter().enumerate();
                pending.extend(items.map(|(index, item)| (below(Step::Index(index)), item)));
            }
            Json::Object(members) => pending.extend(members.iter().map(|(name, value)| {
                let name: &'static str = texts::KEYS.iter().find(|key| *key == name).unwrap();
                (below(Step::Name(name)), value)
            })),
            _ => {}
        }
    }
    found
}

fn at<'a>(value: &'a mut Json, path: &[Step<'_>]) -> &'a mut Json {
    path.iter().fold(value, |value, step| match step {
        Step::Name(name) => value.get_mut(*name).unwrap(),
        Step::Index(index) => value.get_mut(*index).unwrap(),
    })
}

fn values(text: &str) -> Vec<Json> {
    let documents = parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    documents.iter().map(|document| document.root.value().unwrap()).collect()
}

fn done(result: Result<(), Error>, path: &[Step<'_>], text: &str) -> Result<(), TestCaseError> {
    prop_assert!(result.is_ok(), "{:?} {:?}\n{}", result, path, text);
    Ok(())
}

/// Every comment of the text is still there, and so are its line breaks.
fn keeps(before: &str, after: &str) -> Result<(), TestCaseError> {
    prop_assert_eq!(
        before.matches("# c").count(),
        after.matches("# c").count(),
        "{}\n=>\n{}",
        before,
        after
    );
    if before.contains("\r\n") {
        prop_assert_eq!(after.matches('\n').count(), after.matches("\r\n").count(), "{}", after);
    }
    prop_assert_eq!(before.starts_with('\u{feff}'), after.starts_with('\u{feff}'));
    prop_assert_eq!(before.ends_with('\n'), after.ends_with('\n'), "{:?}\n=>\n{:?}", before, after);
    Ok(())
}

/// Whether the second text is the first one with something added in one place.
fn is_insertion(before: &str, after: &str) -> bool {
    let (before, after) = (before.as_bytes(), after.as_bytes());
    let head = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let tail = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
    after.len() >= before.len() && head + tail >= before.len()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn a_text_is_read_as_it_was_meant(Text { text, values: meant, .. } in texts()) {
        prop_assert_eq!(values(&text), meant.clone(), "{}", text);
        let other: Vec<Json> = serde_saphyr::from_multiple(text.trim_start_matches('\u{feff}')).unwrap();
        prop_assert_eq!(other, meant, "{}", text);
        // The documents' parts make up the text.
        let parts: String = parse(&text).unwrap().iter().map(|one| &text[one.range.clone()]).collect();
        prop_assert_eq!(parts, text);
    }

    #[test]
    fn an_item_is_added_and_taken_out_again(
        Text { text, values: meant, shared } in texts(),
        document in any::<Index>(), list in any::<Index>(), item in any::<Index>(), place in 0..4_u8,
        new in new_values(),
    ) {
        let document = document.index(meant.len());
        let lists = paths(&meant[document], &|value| value.as_array().is_some_and(|list| !list.is_empty()));
        if lists.is_empty() {
            return Ok(());
        }
        let path = &lists[list.index(lists.len())];
        let mut wanted = meant.clone();
        let items = at(&mut wanted[document], path).as_array_mut().unwrap();
        let item = item.index(items.len());
        let (place, index) = match place {
            0 => (At::Start, 0),
            1 => (At::Before(item), item),
            2 => (At::After(item), item + 1),
            _ => (At::End, items.len()),
        };
        items.insert(index, new.clone());
        let mut editor = Editor::new(text.as_str()).unwrap();
        match editor.insert(document, path, place, &[Value::from(&new)]) {
            Ok(()) => {}
            // In front of an item that is behind another dash.
            Err(Error::Unsupported) if matches!(place, At::Start | At::Before(0)) => return Ok(()),
            Err(error) => prop_assert!(false, "{error} {path:?} {place:?}\n{text}"),
        }
        prop_assert_eq!(values(editor.text()), wanted, "{:?} {:?}\n{}\n=>\n{}", path, place, text, editor.text());
        if !shared {
            keeps(&text, editor.text())?;
            prop_assert!(is_insertion(&text, editor.text()), "{}\n=>\n{}", text, editor.text());
            let added = editor.text().to_owned();
            done(editor.remove(document, &[&path[..], &[Step::Index(index)]].concat()), path, &text)?;
            prop_assert_eq!(editor.text(), text, "{:?} {:?}\n{}", path, place, added);
        }
    }

    #[test]
    fn an_entry_is_added_and_taken_out_again(
        Text { text, values: meant, shared } in texts(),
        document in any::<Index>(), map in any::<Index>(), new in new_values(),
    ) {
        let document = document.index(meant.len());
        let maps = paths(&meant[document], &|value| value.as_object().is_some_and(|map| !map.is_empty()));
        if maps.is_empty() {
            return Ok(());
        }
        let path = &maps[map.index(maps.len())];
        let mut wanted = meant.clone();
        at(&mut wanted[document], path).as_object_mut().unwrap().insert("new".to_owned(), new.clone());
        let mut editor = Editor::new(text.as_str()).unwrap();
        done(editor.own(document, path), path, &text)?;
        done(editor.insert_entry(document, path, "new", &Value::from(&new)), path, &text)?;
        prop_assert_eq!(values(editor.text()), wanted.clone(), "{:?}\n{}\n=>\n{}", path, text, editor.text());
        // To set what is there already changes nothing.
        let again = [&path[..], &[Step::Name("new")]].concat();
        if let Some(new) = new.as_str() {
            let added = editor.text().to_owned();
            done(editor.set_text(document, &again, new), &again, &text)?;
            prop_assert_eq!(editor.text(), added);
        }
        if !shared {
            keeps(&text, editor.text())?;
            prop_assert!(is_insertion(&text, editor.text()), "{}\n=>\n{}", text, editor.text());
            let added = editor.text().to_owned();
            done(editor.remove(document, &again), &again, &text)?;
            prop_assert_eq!(editor.text(), text, "{:?}\n{}", path, added);
        }
    }

    #[test]
    fn a_text_is_replaced_by_another_one(
        Text { text, values: meant, shared } in texts(),
        document in any::<Index>(), place in any::<Index>(),
        new in select(vec!["new", "a: b # d", "yes", "a'b", "https://a.example/,", "two\nlines", "", "é"]),
    ) {
        let document = document.index(meant.len());
        let places = paths(&meant[document], &Json::is_string);
        if places.is_empty() {
            return Ok(());
        }
        let path = &places[place.index(places.len())];
        let mut wanted = meant.clone();
        *at(&mut wanted[document], path) = new.into();
        let mut editor = Editor::new(text.as_str()).unwrap();
        done(editor.set_text(document, path, new), path, &text)?;
        prop_assert_eq!(values(editor.text()), wanted, "{:?}\n{}\n=>\n{}", path, text, editor.text());
        if !shared {
            keeps(&text, editor.text())?;
        }
        let once = editor.text().to_owned();
        done(editor.set_text(document, path, new), path, &text)?;
        prop_assert_eq!(editor.text(), once);
    }

    #[test]
    fn any_value_is_replaced_by_any_other(
        Text { text, values: meant, .. } in texts(),
        document in any::<Index>(), place in any::<Index>(), new in new_values(),
    ) {
        let document = document.index(meant.len());
        let places = paths(&meant[document], &|_| true);
        let path = &places[place.index(places.len())];
        if path.is_empty() {
            return Ok(());
        }
        let mut wanted = meant.clone();
        *at(&mut wanted[document], path) = new.clone();
        let mut editor = Editor::new(text.as_str()).unwrap();
        done(editor.set_value(document, path, &Value::from(&new)), path, &text)?;
        prop_assert_eq!(values(editor.text()), wanted, "{:?}\n{}\n=>\n{}", path, text, editor.text());
    }

    #[test]
    fn a_path_is_created_down_to_its_value(
        Text { text, values: meant, shared } in texts(),
        document in any::<Index>(), place in any::<Index>(), new in new_values(),
    ) {
        let document = document.index(meant.len());
        let places = paths(&meant[document], &|value| value.is_object() || value.is_null());
        let is_name = |step: &Step<'static>| matches!(step, Step::Name(_));
        let places: Vec<_> = places.into_iter().filter(|path| path.iter().all(is_name)).collect();
        if places.is_empty() {
            return Ok(());
        }
        let path = &places[place.index(places.len())];
        let mut wanted = meant.clone();
        let parent = at(&mut wanted[document], path);
        *parent = json!(parent.as_object().cloned().unwrap_or_default());
        parent.as_object_mut().unwrap().insert("new".to_owned(), json!({"deep": new}));
        let names = path.iter().map(|step| match step {
            Step::Name(name) => *name,
            Step::Index(_) => "",
        });
        let names: Vec<&str> = names.chain(["new", "deep"]).collect();
        let mut editor = Editor::new(text.as_str()).unwrap();
        done(editor.put(document, &names, Value::from(&new)), path, &text)?;
        prop_assert_eq!(values(editor.text()), wanted, "{:?}\n{}\n=>\n{}", path, text, editor.text());
        if !shared {
            keeps(&text, editor.text())?;
        }
        let once = editor.text().to_owned();
        done(editor.put(document, &names, Value::from(&new)), path, &once)?;
        prop_assert_eq!(editor.text(), once);
    }

    #[test]
    fn what_is_taken_out_is_gone_and_nothing_else(
        Text { text, values: meant, shared } in texts(),
        document in any::<Index>(), place in any::<Index>(),
    ) {
        let document = document.index(meant.len());
        let places = paths(&meant[document], &|_| true);
        let path = &places[place.index(places.len())];
        let Some((last, above)) = path.split_last() else { return Ok(()) };
        let mut wanted = meant.clone();
        let parent = at(&mut wanted[document], above);
        match (last, &mut *parent) {
            (Step::Name(name), Json::Object(members)) => drop(members.remove(*name)),
            (Step::Index(index), Json::Array(items)) => drop(items.remove(*index)),
            other => panic!("{other:?}"),
        }
        let emptied = parent.as_array().is_some_and(Vec::is_empty)
            || parent.as_object().is_some_and(serde_json::Map::is_empty);
        let mut editor = Editor::new(text.as_str()).unwrap();
        match editor.remove(document, path) {
            // A text without documents.
            Ok(()) if emptied && above.is_empty() => {}
            Ok(()) if emptied => {
                // Without children, block style is null.
                let now = values(editor.text());
                let mut null = wanted.clone();
                *at(&mut null[document], above) = Json::Null;
                prop_assert!(now == wanted || now == null, "{path:?}\n{text}\n=>\n{}", editor.text());
            }
            Ok(()) => {
                prop_assert_eq!(values(editor.text()), wanted, "{:?}\n{}\n=>\n{}", path, text, editor.text());
            }
            // The only entry behind a dash, or what is merged from elsewhere.
            Err(Error::Unsupported) if emptied || shared => {}
            Err(error) => prop_assert!(false, "{error} {path:?}\n{text}"),
        }
        if !shared && text.ends_with('\n') {
            let own = |text: &str| text.trim_start_matches('\u{feff}').lines().filter(|line| line.trim_start().starts_with("# c")).count();
            prop_assert!(own(&text) <= own(editor.text()), "{:?}\n{}\n=>\n{}", path, text, editor.text());
        }
    }

    #[test]
    fn changes_at_once_are_the_changes_one_by_one(
        Text { text, values: meant, .. } in texts(),
        document in any::<Index>(), new in new_values(),
    ) {
        let document = document.index(meant.len());
        let lists = paths(&meant[document], &|value| value.as_array().is_some_and(|list| !list.is_empty()));
        let mut editor = Editor::new(text.as_str()).unwrap();
        for path in &lists {
            done(editor.own(document, path), path, &text)?;
        }
        let value = [Value::from(&new)];
        let edits = lists.iter().map(|path| editor.inserted(document, path, At::End, &value));
        let edits: Result<Vec<_>, _> = edits.collect();
        prop_assert!(edits.is_ok(), "{}", text);
        let edits = edits.unwrap().into_iter().flatten().collect();
        done(editor.apply(edits), &[], &text)?;
        let mut wanted = meant.clone();
        for path in &lists {
            at(&mut wanted[document], path).as_array_mut().unwrap().push(new.clone());
        }
        prop_assert_eq!(values(editor.text()), wanted, "{}\n=>\n{}", text, editor.text());
    }

    /// Whatever the text is, a change is made or refused.
    #[test]
    fn no_damaged_text_panics(
        Text { text, .. } in texts(),
        damages in prop::collection::vec((any::<Index>(), any::<Index>(), "[-:{}\\[\\]#&*!|>'\"%@,?<\\n\\r\\t aé]{0,3}"), 1..5),
        place in any::<Index>(),
        new in new_values(),
    ) {
        let mut damaged: Vec<char> = text.chars().collect();
        for (from, length, new) in damages {
            let from = from.index(damaged.len() + 1);
            let to = (from + length.index(6)).min(damaged.len());
            damaged.splice(from..to, new.chars());
        }
        let damaged: String = damaged.into_iter().collect();
        let Ok(editor) = Editor::new(damaged.as_str()) else { return Ok(()) };
        let names = texts::KEYS.map(Step::Name);
        let steps = [&names[..], &[Step::Index(0), Step::Index(1)]].concat();
        let (a, b) = (steps[place.index(steps.len())], steps[place.index(97) % steps.len()]);
        for path in [&[][..], &[a], &[a, b], &[b, a]] {
            let value = Value::from(&new);
            let changed = |change: &dyn Fn(&mut Editor) -> Result<(), Error>| {
                let mut editor = editor.clone();
                let _ = change(&mut editor);
            };
            changed(&|editor| editor.insert(0, path, At::Start, std::slice::from_ref(&value)));
            changed(&|editor| editor.insert(0, path, At::Before(0), std::slice::from_ref(&value)));
            changed(&|editor| editor.insert(0, path, At::End, std::slice::from_ref(&value)));
            changed(&|editor| editor.insert_entry(0, path, "new", &value));
            changed(&|editor| editor.set_value(0, path, &value));
            changed(&|editor| editor.set_text(0, path, "x"));
            changed(&|editor| editor.set_lines(0, path, "x\n y\n"));
            changed(&|editor| editor.collapse(0, path, "x"));
            changed(&|editor| editor.remove(0, path));
            changed(&|editor| editor.put(0, &["a", "b"], value.clone()));
        }
    }
}

#[test]
fn aliases_that_multiply_or_nest_without_end_are_an_error() {
    let row = |level: usize| match level {
        0 => "n0: &n0 x\n".to_owned(),
        _ => format!("n{level}: &n{level} [{}]\n", vec![format!("*n{}", level - 1); 10].join(", ")),
    };
    let text: String = (0..9).map(row).collect::<String>() + "last: *n8\n";
    let mut editor = Editor::new(text).unwrap();
    let root = &editor.documents()[0].root;
    assert!(matches!(root.value(), Err(Error::TooLarge { .. })));
    let copied = editor.set_text(0, &[Step::Name("last"), Step::Index(0)], "x");
    assert!(matches!(copied, Err(Error::TooLarge { .. })), "{copied:?}");

    let nested = |level: usize| match level {
        0 => "n0: &n0 x\n".to_owned(),
        _ => format!("n{level}: &n{level} {}*n{}{}\n", "[".repeat(30), level - 1, "]".repeat(30)),
    };
    let deepest = parse(&(0..5).map(nested).collect::<String>()).unwrap();
    assert!(deepest[0].root.value().is_ok());
    let error = parse(&(0..500).map(nested).collect::<String>()).unwrap_err();
    assert!(matches!(error, Error::Syntax { line: 6, .. }), "{error}");
    let written = "[".repeat(200) + &"]".repeat(200);
    assert!(matches!(parse(&written), Err(Error::Syntax { line: 1, column: 130, .. })));
    assert!(matches!(parse("a: &a [*a]\n"), Err(Error::Syntax { line: 1, .. })));
}
