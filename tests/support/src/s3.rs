//! S3 as in AWS since April 2023: new buckets block public access and have ACLs disabled.

mod aws;
mod quirk;
mod versions;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::dto::*;
use s3s::service::S3ServiceBuilder;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use s3s_fs::FileSystem;

use self::aws::Aws;
pub use self::quirk::Quirk;
use self::versions::Versions;
use crate::server::Server;
use crate::{Authority, SESSION_ACCESS_KEY, SESSION_SECRET_KEY};

/// The access key ID that the server accepts.
pub const ACCESS_KEY: &str = "test";
/// Its secret access key.
pub const SECRET_KEY: &str = "test-secret";

/// Request headers that are logged.
const LOGGED: [&str; 8] = [
    "if-match",
    "if-none-match",
    "content-type",
    "cache-control",
    "x-amz-expected-bucket-owner",
    "x-amz-acl",
    "x-amz-server-side-encryption",
    "x-amz-checksum-sha256",
];

/// An S3 server; objects are stored in a temporary directory.
pub struct S3Server {
    server: Server,
    https: bool,
    state: Arc<Mutex<State>>,
    _folder: tempfile::TempDir,
}

#[derive(Default)]
struct State {
    log: Vec<String>,
    /// Error codes by call.
    refused: HashMap<String, S3ErrorCode>,
    quirk: Option<Quirk>,
    /// The region that every call is redirected to.
    region: Option<String>,
    /// A concurrent write.
    concurrent_put: Option<ConcurrentPut>,
    policies: HashMap<String, String>,
    blocks: HashMap<String, PublicAccessBlockConfiguration>,
    ownership: HashMap<String, OwnershipControls>,
    locations: HashMap<String, String>,
    tags: HashMap<String, Vec<Tag>>,
    /// Whether ACLs are enabled, as in buckets created before April 2023.
    acls: bool,
    /// Objects that are public by an ACL.
    readable: HashSet<(String, String)>,
    /// How objects are encrypted, if not with the encryption of the bucket that AWS had before 2023:
    /// none.
    encryption: HashMap<(String, String), ServerSideEncryption>,
    /// The default encryption of all buckets.
    default_encryption: Option<ServerSideEncryption>,
    /// Whether writes with an encryption are refused.
    without_encryption: bool,
    /// The `Content-Encoding` of objects that were written by others.
    encodings: HashMap<(String, String), String>,
    /// The versions of the objects in buckets with versioning.
    versions: Versions,
    /// Whether readers pay.
    requester_pays: bool,
    /// How long S3 Object Lock keeps new objects, if it is on.
    locked_days: Option<i32>,
    /// All four settings of the public access block of the account, if it has one.
    account_block: Option<bool>,
    /// The policy that another writer puts just after the next PutBucketPolicy.
    overwritten: Option<String>,
    delay: Duration,
    /// How many seconds the clock of the server is behind.
    behind: u64,
    /// When each call was received, and when its answer was due.
    spans: Vec<(Instant, Instant)>,
    root: std::path::PathBuf,
}

/// An object that another writer puts just before a PutObject of `before`, or of any object.
struct ConcurrentPut {
    before: Option<String>,
    bucket: String,
    key: String,
    bytes: Vec<u8>,
}

impl S3Server {
    /// Starts one that speaks plain HTTP.
    pub fn start() -> Self {
        Self::serve(None)
    }

    /// Starts one that speaks HTTPS with a certificate of `authority`.
    pub fn start_https(authority: &Authority) -> Self {
        Self::serve(Some(authority))
    }

    /// Starts one that speaks plain HTTP, has the bucket `my-oidc`, and the quirk of this name. The
    /// name is an access key ID, too; its secret access key is `x`.
    pub fn start_quirky(name: &str) -> Self {
        let server = Self::serve(None);
        server.make_bucket("my-oidc");
        let quirk = Quirk::named(name);
        quirk.prepare(&server);
        server.state().quirk = Some(quirk);
        server
    }

    /// For `--endpoint-url`.
    pub fn endpoint(&self) -> String {
        let port = self.server.address.port();
        if self.https {
            format!("https://localhost:{port}")
        } else {
            format!("http://127.0.0.1:{port}")
        }
    }

    /// How many connections were open at the same time, at most.
    pub fn peak_connections(&self) -> usize {
        self.server.peak_connections()
    }

    /// Everything that the server has: the buckets with their settings, and the bytes of each
    /// object as `bucket/key`.
    pub fn dump(&self) -> BTreeMap<String, String> {
        let state = self.state();
        let mut dump = BTreeMap::new();
        for entry in std::fs::read_dir(&state.root).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if !entry.path().is_dir() || name.starts_with('.') {
                continue;
            }
            let settings = format!(
                "policy {:?}, block {:?}, ownership {:?}, tags {:?}",
                state.policies.get(&name),
                state.blocks.get(&name),
                state.ownership.get(&name),
                state.tags.get(&name)
            );
            dump.insert(name.clone(), settings);
            list(&entry.path(), &name, &mut dump);
        }
        dump
    }

    /// The calls since the last time this was called, each with its object and the logged headers;
    /// concurrent calls are sorted.
    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }

    /// The sequential round trips since the last time this was called: the most calls of which each was
    /// received after the answer to the one before. Meaningful with a delay.
    pub fn take_round_trips(&self) -> usize {
        let mut spans = std::mem::take(&mut self.state().spans);
        spans.sort_by_key(|(_, answered)| *answered);
        let (mut count, mut last) = (0, None);
        for (received, answered) in spans {
            if last.is_none_or(|last| received > last) {
                (count, last) = (count + 1, Some(answered));
            }
        }
        count
    }

    /// Lets a call (`PutBucketPolicy`) fail with this error code from now on.
    pub fn refuse(&self, call: &str, code: &str) {
        let code = S3ErrorCode::from_bytes(code.as_bytes()).unwrap();
        self.state().refused.insert(call.to_owned(), code);
    }

    /// The same for the calls on one object.
    pub fn refuse_object(&self, call: &str, key: &str, code: &str) {
        self.refuse(&format!("{call} {key}"), code);
    }

    /// Delays every answer.
    pub fn delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Lets every call answer that the bucket is in another region.
    pub fn redirect(&self, region: &str) {
        self.state().region = Some(region.to_owned());
    }

    /// Lets the server say that it is so many seconds earlier.
    pub fn clock_behind(&self, secs: u64) {
        self.state().behind = secs;
    }

    /// Reverts every [`S3Server::refuse`].
    pub fn refuse_nothing(&self) {
        self.state().refused.clear();
    }

    /// Enables versioning of a bucket: what is written from now on has a version.
    pub fn keep_versions(&self, bucket: &str) {
        self.state().versions.enable(bucket);
    }

    /// Every version that is written from now on has one time, an hour ahead: as if all were written within one second.
    pub fn stop_clock(&self) {
        self.state().versions.stop_clock();
    }

    /// Enables ACLs.
    pub fn allow_acls(&self) {
        self.state().acls = true;
    }

    /// Encrypts objects with KMS unless their write says otherwise, from now on.
    pub fn kms_by_default(&self) {
        self.state().default_encryption =
            Some(ServerSideEncryption::from_static(ServerSideEncryption::AWS_KMS));
    }

    /// Lets the readers of all buckets pay.
    pub fn requester_pays(&self) {
        self.state().requester_pays = true;
    }

    /// Turns S3 Object Lock on for all buckets.
    pub fn lock_objects(&self, days: i32) {
        self.state().locked_days = Some(days);
    }

    /// Sets all four settings of the public access block of the account, which is read at
    /// [`S3Server::endpoint`], too.
    pub fn set_account_block(&self, on: bool) {
        self.state().account_block = Some(on);
    }

    /// Refuses writes with an encryption, as MinIO without KMS does.
    pub fn without_encryption(&self) {
        self.state().without_encryption = true;
    }

    /// Serves an object with this `Content-Encoding` until it is written again.
    pub fn encode_as(&self, bucket: &str, key: &str, encoding: &str) {
        let object = (bucket.to_owned(), key.to_owned());
        self.state().encodings.insert(object, encoding.to_owned());
    }

    /// How an object is encrypted.
    pub fn encryption(&self, bucket: &str, key: &str) -> Option<String> {
        let object = (bucket.to_owned(), key.to_owned());
        self.state().encryption.get(&object).map(|encryption| encryption.as_str().to_owned())
    }

    /// Whether the policy of its bucket makes an object public.
    pub fn is_readable(&self, bucket: &str, key: &str) -> bool {
        self.get(bucket, key).is_some() && self.state().is_public(bucket, key)
    }

    /// Whether the policy of its bucket lets a distribution of CloudFront read an object.
    pub fn is_readable_by(&self, bucket: &str, key: &str, distribution: &str) -> bool {
        let policy = self.policy(bucket).unwrap_or_else(|| "{}".to_owned());
        let policy: serde_json::Value = serde_json::from_str(&policy).unwrap();
        let arn = format!("arn:aws:s3:::{bucket}/{key}");
        policy["Statement"].as_array().into_iter().flatten().any(|statement| {
            let names_it = statement["Resource"].as_array().unwrap().iter().any(|one| *one == arn);
            statement["Principal"]["Service"] == "cloudfront.amazonaws.com"
                && statement["Condition"]["StringEquals"]["AWS:SourceArn"] == distribution
                && names_it
        })
    }

    /// Whether an object is public by its ACL.
    pub fn is_readable_by_acl(&self, bucket: &str, key: &str) -> bool {
        self.state().readable.contains(&(bucket.to_owned(), key.to_owned()))
    }

    /// Lets another writer replace the next bucket policy that is put.
    pub fn overwrite_next_policy(&self, policy: &str) {
        self.state().overwritten = Some(policy.to_owned());
    }

    /// Sets all four settings of a bucket's public access block, without a request.
    pub fn set_block(&self, bucket: &str, on: bool) {
        let block = PublicAccessBlockConfiguration {
            block_public_acls: Some(on),
            ignore_public_acls: Some(on),
            block_public_policy: Some(on),
            restrict_public_buckets: Some(on),
        };
        self.state().blocks.insert(bucket.to_owned(), block);
    }

    /// Sets BlockPublicPolicy and RestrictPublicBuckets alone, as `publish` leaves or finds them.
    pub fn set_policy_block(&self, bucket: &str, on: bool) {
        let block = PublicAccessBlockConfiguration {
            block_public_acls: Some(true),
            ignore_public_acls: Some(true),
            block_public_policy: Some(on),
            restrict_public_buckets: Some(on),
        };
        self.state().blocks.insert(bucket.to_owned(), block);
    }

    /// Creates a bucket as AWS does, without a request.
    pub fn make_bucket(&self, name: &str) {
        let mut state = self.state();
        std::fs::create_dir_all(state.root.join(name)).unwrap();
        state.new_bucket(name, None);
    }

    /// Creates a bucket as AWS did before April 2023: without a public access block, and with ACLs.
    pub fn make_old_bucket(&self, name: &str) {
        self.make_bucket(name);
        let mut state = self.state();
        state.acls = true;
        state.blocks.remove(name);
        state.ownership.remove(name);
    }

    /// Makes an object public by its ACL, without a request.
    pub fn make_readable_by_acl(&self, bucket: &str, key: &str) {
        self.state().readable.insert((bucket.to_owned(), key.to_owned()));
    }

    /// Puts an object without a request.
    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let mut state = self.state();
        write(&state.root, bucket, key, bytes);
        state.encrypt(bucket, key, None);
    }

    /// Puts an object just before the next PutObject is executed.
    pub fn put_before_next_write(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let (bucket, key, bytes) = (bucket.to_owned(), key.to_owned(), bytes.to_vec());
        self.state().concurrent_put = Some(ConcurrentPut { before: None, bucket, key, bytes });
    }

    /// The same just before the PutObject of this object.
    pub fn put_before_write(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let (bucket, key, bytes) = (bucket.to_owned(), key.to_owned(), bytes.to_vec());
        self.state().concurrent_put =
            Some(ConcurrentPut { before: Some(key.clone()), bucket, key, bytes });
    }

    /// Puts an object just before the PutObject of another one, `before`.
    pub fn put_other_before_write(&self, before: &str, bucket: &str, key: &str, bytes: &[u8]) {
        let (bucket, key, bytes) = (bucket.to_owned(), key.to_owned(), bytes.to_vec());
        let before = Some(before.to_owned());
        self.state().concurrent_put = Some(ConcurrentPut { before, bucket, key, bytes });
    }

    /// Makes an object older, by the clock of the server.
    pub fn age(&self, bucket: &str, key: &str, by: Duration) {
        let path = self.state().root.join(bucket).join(key);
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(std::time::SystemTime::now() - by).unwrap();
    }

    /// Deletes an object without a request.
    pub fn remove(&self, bucket: &str, key: &str) {
        std::fs::remove_file(self.state().root.join(bucket).join(key)).unwrap();
    }

    /// An object's bytes.
    pub fn get(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.state().root.join(bucket).join(key)).ok()
    }

    /// A bucket's policy.
    pub fn policy(&self, bucket: &str) -> Option<String> {
        self.state().policies.get(bucket).cloned()
    }

    /// Sets a bucket's policy without a request.
    pub fn set_policy(&self, bucket: &str, policy: &str) {
        self.state().policies.insert(bucket.to_owned(), policy.to_owned());
    }

    /// A bucket's public access block: BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy,
    /// RestrictPublicBuckets.
    pub fn block(&self, bucket: &str) -> Option<[bool; 4]> {
        let state = self.state();
        let block = state.blocks.get(bucket)?;
        Some([
            block.block_public_acls == Some(true),
            block.ignore_public_acls == Some(true),
            block.block_public_policy == Some(true),
            block.restrict_public_buckets == Some(true),
        ])
    }

    /// Allows public bucket policies, as stores without a public access block do.
    pub fn unblock(&self, bucket: &str) {
        self.state().blocks.remove(bucket);
    }

    /// The LocationConstraint that a bucket was created with.
    pub fn location_constraint(&self, bucket: &str) -> Option<String> {
        self.state().locations.get(bucket).cloned()
    }

    fn serve(authority: Option<&Authority>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state =
            Arc::new(Mutex::new(State { root: folder.path().to_owned(), ..State::default() }));
        let objects = FileSystem::new(folder.path()).unwrap();
        let mut builder = S3ServiceBuilder::new(Aws {
            objects: Arc::new(objects),
            state: state.clone(),
            objects_lock: Arc::default(),
        });
        let mut auth = SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY);
        auth.register(SESSION_ACCESS_KEY.to_owned(), SESSION_SECRET_KEY.into());
        for quirk in Quirk::ALL {
            auth.register(quirk.name().to_owned(), "x".into());
        }
        builder.set_auth(auth);
        builder.set_access(Door { state: state.clone() });
        let server = Server::start(authority.map(Authority::acceptor), builder.build());
        Self { server, https: authority.is_some(), state, _folder: folder }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn new_bucket(&mut self, name: &str, location: Option<String>) {
        let all = PublicAccessBlockConfiguration {
            block_public_acls: Some(true),
            ignore_public_acls: Some(true),
            block_public_policy: Some(true),
            restrict_public_buckets: Some(true),
        };
        let enforced = ObjectOwnership::from_static(ObjectOwnership::BUCKET_OWNER_ENFORCED);
        self.blocks.insert(name.to_owned(), all);
        self.ownership.insert(
            name.to_owned(),
            OwnershipControls { rules: vec![OwnershipControlsRule { object_ownership: enforced }] },
        );
        if let Some(location) = location {
            self.locations.insert(name.to_owned(), location);
        }
    }

    /// Records how a written object is encrypted.
    fn encrypt(&mut self, bucket: &str, key: &str, asked: Option<ServerSideEncryption>) {
        let object = (bucket.to_owned(), key.to_owned());
        match asked.or_else(|| self.default_encryption.clone()) {
            Some(encryption) => self.encryption.insert(object, encryption),
            None => self.encryption.remove(&object),
        };
    }

    /// Whether the policy makes the object public.
    fn is_public(&self, bucket: &str, key: &str) -> bool {
        let Some(policy) = self.policies.get(bucket) else { return false };
        let policy: serde_json::Value = serde_json::from_str(policy).unwrap();
        let arn = format!("arn:aws:s3:::{bucket}/{key}");
        policy["Statement"].as_array().unwrap().iter().any(|statement| {
            let resource = &statement["Resource"];
            let is_match = |pattern: &serde_json::Value| {
                pattern.as_str().is_some_and(|pattern| crate::iam::matches(pattern, &arn))
            };
            let names_it = is_match(resource)
                || resource.as_array().is_some_and(|list| list.iter().any(is_match));
            statement["Principal"] == "*" && statement["Action"] == "s3:GetObject" && names_it
        })
    }
}

fn write(root: &std::path::Path, bucket: &str, key: &str, bytes: &[u8]) {
    let path = root.join(bucket).join(key);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Every object of a folder, below its name.
fn list(folder: &std::path::Path, name: &str, into: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = format!("{name}/{}", entry.file_name().into_string().unwrap());
        if entry.path().is_dir() {
            list(&entry.path(), &name, into);
        } else {
            let bytes = std::fs::read(entry.path()).unwrap();
            into.insert(name, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}

/// Logs requests, returns the configured errors, and allows anonymous reads of public objects.
struct Door {
    state: Arc<Mutex<State>>,
}

#[async_trait::async_trait]
impl S3Access for Door {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let call = cx.s3_op().name().to_owned();
        let object =
            cx.s3_path().as_object().map(|(bucket, key)| (bucket.to_owned(), key.to_owned()));
        let mut line = call.clone();
        if let Some((_, key)) = &object {
            line += &format!(" {key}");
        }
        for name in LOGGED {
            if let Some(value) = cx.headers().get(name).and_then(|value| value.to_str().ok()) {
                let shown = if matches!(name, "if-match" | "x-amz-checksum-sha256") {
                    "…"
                } else {
                    value
                };
                line += &format!(" {name}={shown}");
            }
        }
        let received = Instant::now();
        let delay = self.state.lock().unwrap().delay;
        tokio::time::sleep(delay).await;
        let mut state = self.state.lock().unwrap();
        state.spans.push((received, Instant::now()));
        if cx.credentials().is_none() {
            line += " (anonymous)";
        }
        state.log.push(line);
        if let Some(region) = &state.region {
            let mut error =
                S3Error::with_message(S3ErrorCode::PermanentRedirect, "use the specified endpoint");
            error.set_headers(
                [("x-amz-bucket-region".parse().unwrap(), region.parse().unwrap())]
                    .into_iter()
                    .collect(),
            );
            return Err(error);
        }
        if let Some(quirk) = state.quirk {
            quirk.check(&call, cx.headers())?;
        }
        let on_object = object.as_ref().map(|(_, key)| format!("{call} {key}"));
        let refused = state.refused.get(&call).or_else(|| state.refused.get(on_object.as_ref()?));
        if let Some(code) = refused {
            return Err(S3Error::with_message(code.clone(), "as the test wants it"));
        }
        if cx.credentials().is_none() {
            let public = object
                .is_some_and(|(bucket, key)| call == "GetObject" && state.is_public(&bucket, &key));
            return if public { Ok(()) } else { Err(s3_error!(AccessDenied, "Access Denied")) };
        }
        Ok(())
    }
}
