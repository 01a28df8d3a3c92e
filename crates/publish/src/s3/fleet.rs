//! Many issuers in one bucket: a run asks once for all of them what is the same for all, and which of
//! their documents exist.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use issuer_discovery::{DISCOVERY_NAME, KEYS_NAME};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::{S3, S3Location, S3Options};
use crate::Error;

/// From so many issuers in one bucket on, one list costs less than a question for each document.
const ENOUGH: usize = 32;

/// How many objects an issuer may have in a list, with the copies in its history: a bucket with more has
/// something else in it.
const OBJECTS: usize = 10;

/// How many objects a page has (S3 API reference, "ListObjectsV2").
const PAGE: usize = 1000;

/// How long a list may take: the documents can be read without it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The buckets in which a run has many issuers.
#[derive(Debug, Default)]
pub struct Fleets(HashMap<Place, Fleet>);

/// A bucket, and how it is accessed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    bucket: String,
    region: Option<String>,
    endpoint_url: Option<String>,
    path_style: bool,
    expected_bucket_owner: Option<String>,
}

/// What the issuers of a run in one bucket share.
#[derive(Debug, Clone)]
pub struct Fleet(Arc<Bucket>);

#[derive(Debug)]
struct Bucket {
    /// What the keys of all documents begin with.
    prefix: String,
    /// How many issuers there are.
    issuers: usize,
    region: OnceCell<String>,
    listed: OnceCell<Listed>,
}

/// What a list says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// Nothing: there is none, or it is not complete.
    Nothing,
    /// The bucket exists. Most of the documents do, or there is too much else.
    Bucket,
    /// The bucket exists, and these documents in it: others did not when it was listed, so that a write
    /// which creates them is refused if they do now.
    Documents(HashSet<String>),
}

impl Fleets {
    /// Those of these issuers. A store without conditional writes has none: what was created since the
    /// list would be overwritten.
    pub fn new<'a>(issuers: impl IntoIterator<Item = (&'a S3Location, &'a S3Options)>) -> Self {
        let mut prefixes: HashMap<Place, Vec<String>> = HashMap::new();
        for (location, options) in issuers.into_iter().filter(|(_, options)| !options.unconditional)
        {
            let prefix = location.object_key("");
            prefixes.entry(Place::of(location, options)).or_default().push(prefix);
        }
        prefixes.retain(|_, prefixes| prefixes.len() >= ENOUGH);
        let fleet = |(place, prefixes): (Place, Vec<String>)| {
            let bucket = Bucket {
                prefix: common_prefix(&prefixes),
                issuers: prefixes.len(),
                region: OnceCell::new(),
                listed: OnceCell::new(),
            };
            (place, Fleet(Arc::new(bucket)))
        };
        Self(prefixes.into_iter().map(fleet).collect())
    }

    /// The one that an issuer is in.
    #[must_use]
    pub fn of(&self, location: &S3Location, options: &S3Options) -> Option<&Fleet> {
        self.0.get(&Place::of(location, options)).filter(|_| !options.unconditional)
    }
}

impl Place {
    fn of(location: &S3Location, options: &S3Options) -> Self {
        Self {
            bucket: location.bucket.to_string(),
            region: options.region.clone(),
            endpoint_url: options.endpoint_url.clone(),
            path_style: options.path_style,
            expected_bucket_owner: options.expected_bucket_owner.clone(),
        }
    }
}

impl Fleet {
    /// The region of the bucket: asked for once if it exists.
    pub(super) async fn region(
        &self,
        ask: impl Future<Output = Result<Option<String>, Error>>,
    ) -> Result<Option<String>, Error> {
        let known = || async { ask.await.map_err(Some)?.ok_or(None) };
        match self.0.region.get_or_try_init(known).await {
            Ok(region) => Ok(Some(region.clone())),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }

    /// What exists, as the first issuer that asks has listed it.
    pub(super) async fn listed(&self, s3: &S3) -> &Listed {
        let list = || async { timeout(PATIENCE, self.list(s3)).await.unwrap_or(Listed::Nothing) };
        self.0.listed.get_or_init(list).await
    }

    async fn list(&self, s3: &S3) -> Listed {
        let (bucket, prefix) = (s3.location.bucket.as_str(), self.0.prefix.as_str());
        let (mut documents, mut token) = (HashSet::new(), None);
        for _ in 0..=self.0.issuers * OBJECTS / PAGE {
            let request = s3
                .client
                .list_objects_v2()
                .bucket(bucket)
                .set_prefix((!prefix.is_empty()).then(|| prefix.to_owned()))
                .set_continuation_token(token)
                .set_expected_bucket_owner(s3.options.expected_bucket_owner.clone());
            // It is no more than a short cut, so its failure ends no run.
            let Ok(page) = request.send().await else { return Listed::Nothing };
            let count = page.key_count().and_then(|count| usize::try_from(count).ok());
            let is_whole = page.name() == Some(bucket)
                && page.prefix().unwrap_or_default() == prefix
                && count == Some(page.contents().len());
            if !is_whole {
                return Listed::Nothing;
            }
            let keys = page.contents().iter().filter_map(|object| object.key());
            documents.extend(keys.filter(|key| is_document(key)).map(str::to_owned));
            token = page.next_continuation_token().map(str::to_owned);
            match (page.is_truncated(), &token) {
                (Some(false), None) => return Listed::Documents(documents),
                (Some(true), Some(_)) => {}
                _ => return Listed::Nothing,
            }
            // Most documents must be read anyway.
            if documents.len() >= self.0.issuers {
                break;
            }
        }
        Listed::Bucket
    }
}

impl Listed {
    /// Whether the bucket exists.
    pub(super) fn has_bucket(&self) -> bool {
        *self != Self::Nothing
    }

    /// Whether a document was not there.
    pub(super) fn lacks(&self, key: &str) -> bool {
        matches!(self, Self::Documents(keys) if !keys.contains(key))
    }
}

fn is_document(key: &str) -> bool {
    key.ends_with(KEYS_NAME) || key.ends_with(DISCOVERY_NAME)
}

fn common_prefix(texts: &[String]) -> String {
    let Some((first, others)) = texts.split_first() else { return String::new() };
    let same = |a: &str, b: &str| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let length = others.iter().fold(first.len(), |length, other| length.min(same(first, other)));
    // Prefixes are ASCII.
    first.get(..length).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_covers_every_issuer_and_little_else() {
        for (texts, common) in [
            (["prod/a/", "prod/b/"], "prod/"),
            (["c1/", "c10/"], "c1"),
            (["c10/", "c1/"], "c1"),
            (["a/", ""], ""),
            (["", "a/"], ""),
            (["a/", "a/"], "a/"),
        ] {
            assert_eq!(common_prefix(&texts.map(str::to_owned)), common, "{texts:?}");
        }
    }

    #[test]
    fn a_few_issuers_and_a_store_without_conditions_are_not_listed() {
        let at: S3Location = "s3://my-oidc/prod".parse().unwrap();
        let options = S3Options::default();
        let issuers = |count| std::iter::repeat_n((&at, &options), count);
        assert!(Fleets::new(issuers(ENOUGH - 1)).of(&at, &options).is_none());
        let fleets = Fleets::new(issuers(ENOUGH));
        assert!(fleets.of(&at, &options).is_some());
        let elsewhere = S3Options { endpoint_url: Some("https://a".to_owned()), ..options.clone() };
        assert!(fleets.of(&at, &elsewhere).is_none());
        let unconditional = S3Options { unconditional: true, ..options.clone() };
        assert!(fleets.of(&at, &unconditional).is_none());
        let issuers = std::iter::repeat_n((&at, &unconditional), ENOUGH);
        assert!(Fleets::new(issuers).0.is_empty());
    }

    #[tokio::test]
    async fn the_region_of_a_bucket_is_asked_for_once_it_exists() {
        let at: S3Location = "s3://my-oidc/prod".parse().unwrap();
        let options = S3Options::default();
        let fleets = Fleets::new(std::iter::repeat_n((&at, &options), ENOUGH));
        let fleet = fleets.of(&at, &options).unwrap();
        assert_eq!(fleet.region(async { Ok(None) }).await.unwrap(), None);
        let failed = Error::NoBucket { bucket: "my-oidc".to_owned() };
        fleet.region(async { Err(failed) }).await.unwrap_err();
        let region = fleet.region(async { Ok(Some("eu-west-1".to_owned())) }).await.unwrap();
        assert_eq!(region.as_deref(), Some("eu-west-1"));
        let again = fleet.region(async { panic!("it is known") }).await.unwrap();
        assert_eq!(again, region);
    }
}
