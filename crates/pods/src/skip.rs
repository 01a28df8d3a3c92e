//! The list of containers to skip: one record of CSV as Go's `encoding/csv` reads it.

/// The names in the annotation's value; `None` if it is not valid CSV, which skips nothing. Only
/// the first record counts.
pub fn names(value: &str) -> Option<Vec<String>> {
    let normal = value.replace("\r\n", "\n");
    let normal = normal.strip_suffix('\r').unwrap_or(&normal);
    let record = normal.trim_start_matches('\n');
    if record.is_empty() {
        return Some(Vec::new());
    }
    let mut names = Vec::new();
    let mut rest = record;
    loop {
        let (name, after) = field(rest)?;
        names.push(name);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some(names),
        }
    }
}

/// A field, and what follows it: a comma, a line break or nothing.
fn field(text: &str) -> Option<(String, &str)> {
    let Some(mut quoted) = text.strip_prefix('"') else {
        let end = text.find([',', '\n']).unwrap_or(text.len());
        let (name, after) = text.split_at_checked(end)?;
        return (!name.contains('"')).then(|| (name.to_owned(), after));
    };
    let mut name = String::new();
    loop {
        let (part, after) = quoted.split_once('"')?;
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                quoted = more;
            }
            None if after.is_empty() || after.starts_with([',', '\n']) => {
                return Some((name, after));
            }
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_as_the_webhook_reads_it() {
        for (value, list) in [
            ("", Some(vec![])),
            ("a", Some(vec!["a"])),
            ("a,b", Some(vec!["a", "b"])),
            ("a, b", Some(vec!["a", " b"])),
            ("a,", Some(vec!["a", ""])),
            ("\"a\",b", Some(vec!["a", "b"])),
            ("\"a\"\"b\"", Some(vec!["a\"b"])),
            ("\"a\nb\",c", Some(vec!["a\nb", "c"])),
            ("a\nb", Some(vec!["a"])),
            ("\n\r\na\r\nb", Some(vec!["a"])),
            ("a\r", Some(vec!["a"])),
            ("a\"b", None),
            ("\"a", None),
            ("\"a\" ,b", None),
        ] {
            let list = list.map(|list| list.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(names(value), list, "{value:?}");
        }
    }
}
