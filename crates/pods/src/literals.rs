//! Roles as literals of a policy.

use std::collections::BTreeMap;

use crate::Error;
use crate::cel::quoted;

/// The characters that an expression can have (k8s.io/apiserver `pkg/cel`: 100,000), less those of
/// what is around the literals.
const LIMIT: usize = 99_000;

/// A ServiceAccount and its role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    /// The namespace of the ServiceAccount.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The role's ARN.
    pub role: String,
    /// The audience of its token, if it is not that of the settings.
    pub audience: Option<String>,
}

/// The roles of one policy.
#[derive(Debug, Default)]
pub(crate) struct Part<'a> {
    roles: Vec<&'a Literal>,
    size: usize,
}

/// The roles in as few parts as fit, by namespace.
pub(crate) fn split(roles: &[Literal]) -> Result<Vec<Part<'_>>, Error> {
    let mut by_account: BTreeMap<(&str, &str), &Literal> = BTreeMap::new();
    for role in roles {
        let other = by_account.insert((&role.namespace, &role.name), role);
        if let Some(other) = other.filter(|other| *other != role) {
            return Err(Error::TwoRoles {
                account: format!("{}/{}", role.namespace, role.name),
                one: other.role.clone(),
                other: role.role.clone(),
            });
        }
    }
    let mut parts: Vec<Part<'_>> = vec![Part::default()];
    for role in by_account.into_values() {
        let size = size(role);
        if size > LIMIT {
            return Err(Error::LongRole { account: format!("{}/{}", role.namespace, role.name) });
        }
        match parts.last_mut() {
            Some(part) if part.size + size <= LIMIT => part.add(role, size),
            _ => parts.push(Part { roles: vec![role], size }),
        }
    }
    Ok(parts)
}

impl<'a> Part<'a> {
    /// A map that has each ServiceAccount.
    pub(crate) fn keys(&self) -> String {
        map(self.roles.iter().map(|role| (key(role), "true".to_owned())))
    }

    pub(crate) fn roles(&self) -> String {
        map(self.roles.iter().map(|role| (key(role), quoted(&role.role))))
    }

    /// Those with another audience than this one.
    pub(crate) fn audiences(&self, usual: &str) -> Option<String> {
        let own = self.roles.iter().filter_map(|role| {
            let audience = role.audience.as_deref().filter(|audience| *audience != usual)?;
            Some((key(role), quoted(audience)))
        });
        let own: Vec<(String, String)> = own.collect();
        (!own.is_empty()).then(|| map(own.into_iter()))
    }

    pub(crate) fn namespaces(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = self.roles.iter().map(|role| role.namespace.as_str()).collect();
        names.dedup();
        names
    }

    fn add(&mut self, role: &'a Literal, size: usize) {
        self.roles.push(role);
        self.size += size;
    }
}

fn key(role: &Literal) -> String {
    quoted(&format!("{}/{}", role.namespace, role.name))
}

/// One entry a line.
fn map(entries: impl Iterator<Item = (String, String)>) -> String {
    let entries: Vec<String> = entries.map(|(key, value)| format!("{key}: {value}")).collect();
    format!("{{{}}}", entries.join(",\n  "))
}

/// The characters of the longest of its entries.
fn size(role: &Literal) -> usize {
    let value = quoted(&role.role).chars().count();
    let audience = role.audience.as_deref().map_or(0, |text| quoted(text).chars().count());
    key(role).chars().count() + value.max(audience) + ": ,\n  ".len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(number: usize) -> Literal {
        Literal {
            namespace: format!("team-{}", number / 100),
            name: format!("app-{number}"),
            role: format!("arn:aws:iam::111122223333:role/app-{number}"),
            audience: None,
        }
    }

    #[test]
    fn roles_are_split_before_the_limit_of_an_expression() {
        let roles: Vec<Literal> = (0..5000).map(role).collect();
        let parts = split(&roles).unwrap();
        assert!(parts.len() > 1);
        assert!(parts.iter().all(|part| part.roles().chars().count() <= LIMIT + 100));
        assert_eq!(parts.iter().map(|part| part.roles.len()).sum::<usize>(), roles.len());
        assert!(parts[0].roles().chars().count() > LIMIT - 200, "as few parts as fit");
    }

    #[test]
    fn one_account_has_one_role() {
        let other = Literal { role: "arn:aws:iam::111122223333:role/x".to_owned(), ..role(1) };
        assert_eq!(split(&[role(1), role(1)]).unwrap()[0].roles.len(), 1);
        assert!(matches!(split(&[role(1), other]), Err(Error::TwoRoles { .. })));
    }
}
