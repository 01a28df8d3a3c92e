//! A private bucket behind CloudFront: a step waits for no distribution, and repairs it.

use std::sync::Arc;

use issuer_test_support::{Authority, CloudFrontServer, Front};

use crate::desk::ended;
use crate::world::{Follower, World, until};

/// The first IDs are those of the origin access control and the cache policy.
const ID: &str = "E0000000000003";

struct Site {
    world: World,
    cloudfront: Arc<CloudFrontServer>,
    /// What readers reach: the bucket, as long as the distribution is enabled.
    front: Front,
}

impl Site {
    fn new() -> Self {
        let authority = Authority::new();
        let world = World::of(&authority);
        let cloudfront = Arc::new(CloudFrontServer::start());
        let (s3, of_front) = (world.s3.clone(), cloudfront.clone());
        let front = Front::start(&authority, move |path| {
            let there = of_front.distributions().remove(ID);
            let is_served = there.is_some_and(|there| there.element("Enabled") == "true");
            let found = s3.get("my-oidc", path.trim_start_matches('/'));
            std::future::ready(found.filter(|_| is_served))
        });
        let site = Self { world, cloudfront, front };
        *site.world.issuer.lock().unwrap() = format!("{}/prod", site.front.url());
        site
    }

    /// Everything but the keys, with this command before it.
    fn command(&self, command: &str) -> std::process::Command {
        let mut command = self.world.command(&format!(
            "{command} --to s3://my-oidc/prod --region us-west-2 --create-bucket --path-style --access \
             cloudfront --certificate-arn arn:aws:acm:us-east-1:111122223333:certificate/0a1b --issuer \
             {}/prod --allow-port --ca-file ca.pem",
            self.front.url()
        ));
        command
            .env("AWS_ENDPOINT_URL_S3", self.world.store.url())
            .env("AWS_ENDPOINT_URL_CLOUDFRONT", self.cloudfront.url());
        command
    }

    /// Creates the distribution and the documents.
    fn publish(&self) {
        ended(&self.command("publish --key 0.pub --no-verify").output().unwrap(), 0);
        self.cloudfront.take_log();
    }

    fn follow(&self) -> Follower {
        Follower::start(self.command(
            "sync --apiserver --kubeconfig kubeconfig --interval 1s --key-interval 1s --listen \
             127.0.0.1:0 --log-format json",
        ))
    }

    #[track_caller]
    fn once(&self, code: i32) -> (String, String) {
        let line = "sync --apiserver --kubeconfig kubeconfig --once";
        ended(&self.command(line).output().unwrap(), code)
    }
}

#[test]
fn a_distribution_that_is_being_deployed_holds_up_no_step() {
    let site = Site::new();
    site.publish();
    site.cloudfront.deploy_nothing();
    let follower = site.follow();
    follower.until_metric("issuerctl_last_success_timestamp_seconds", |secs| secs > 1.7e9);
    site.world.cluster_has(&[1, 0]);
    site.world.until_published(&[1]);
    follower.until_metric("issuerctl_published_keys", |keys| keys == 2.0);
    follower.steps(2.0);
    assert_eq!(follower.metric("issuerctl_verify_passed"), Some(1.0));
    assert_eq!(follower.metric("issuerctl_failed_steps_total"), Some(0.0));
    assert_eq!(follower.terminate().0, Some(0));
    let log = site.cloudfront.take_log();
    assert!(log.iter().all(|line| line.starts_with("GET ")), "{log:?}");
}

#[test]
fn a_distribution_that_somebody_disabled_is_enabled_by_the_next_step() {
    let site = Site::new();
    site.publish();
    site.cloudfront.deploy_everything();
    let follower = site.follow();
    follower.until_metric("issuerctl_verify_passed", |passed| passed == 1.0);
    site.cloudfront.change(ID, "<Enabled>true", "<Enabled>false");
    site.cloudfront.change(ID, "https-only", "allow-all");
    until(|| site.cloudfront.distributions()[ID].element("Enabled") == "true");
    assert_eq!(site.cloudfront.distributions()[ID].element("ViewerProtocolPolicy"), "https-only");
    // An outage that is repaired is told of, and so is what was repaired.
    follower.until_metric("issuerctl_failed_verifications_total", |failed| failed >= 1.0);
    follower.until_metric("issuerctl_verify_passed", |passed| passed == 1.0);
    follower.until_said("AWS STS would not have accepted the issuer before this step");
    let changed = |event: &serde_json::Value| event["changed"].as_str().unwrap_or_default() == ID;
    until(|| follower.log().iter().any(changed));
    assert_eq!(site.cloudfront.others(), (1, 1));
}

#[test]
fn a_step_creates_no_distribution() {
    let site = Site::new();
    site.once(3);
    assert!(site.cloudfront.distributions().is_empty());
    assert_eq!(site.cloudfront.others(), (0, 0));
    let line = "sync --apiserver --kubeconfig kubeconfig --print-iam-policy";
    let (policy, _) = ended(&site.command(line).output().unwrap(), 0);
    assert!(policy.contains("cloudfront:UpdateDistribution"), "{policy}");
    assert!(!policy.contains("cloudfront:CreateDistribution"), "{policy}");
}

#[test]
fn a_new_key_does_not_wait_for_a_distribution_that_cannot_be_repaired() {
    let site = Site::new();
    site.publish();
    site.cloudfront.deploy_everything();
    site.world.cluster_has(&[1, 0]);
    site.cloudfront.change(ID, "https-only", "allow-all");
    site.cloudfront.deny(&format!("PUT distribution/{ID}/config"));
    let (_, err) = site.once(6);
    assert!(err.contains("cloudfront:UpdateDistribution"), "{err}");
    assert!(site.world.has_published(&[0, 1]));
    site.cloudfront.allow_everything();
    site.cloudfront.deny("GET origin-access-control");
    site.world.cluster_has(&[2, 1]);
    site.once(6);
    assert!(site.world.has_published(&[0, 1, 2]));
}
