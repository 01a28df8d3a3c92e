//! The S3 API calls for [`Preflight`]. None of these reads is needed, so one that fails ends no run.

use aws_sdk_s3::types::{ObjectLockEnabled, Payer};
use issuer_discovery::Partition;

use super::bucket::{Block, Existence, Setting};
use super::preflight::Preflight;
use super::{AccessMode, S3, code};
use crate::Error;

impl S3 {
    /// Reads what may stand in the way of anonymous readers, concurrently.
    pub(super) async fn read_preflight(&self, existence: Existence) -> Preflight {
        // What only its owner and CloudFront read has none of these problems.
        if !matches!(self.options.access, AccessMode::Policy | AccessMode::Acl) {
            return Preflight::default();
        }
        if existence == Existence::Missing {
            return Preflight { account: self.account_block(false).await, ..Preflight::default() };
        }
        let (account, requester_pays, retention) =
            tokio::join!(self.account_block(true), self.requester_pays(), self.retention());
        Preflight { account, requester_pays, retention }
    }

    /// The public access block of the account that has the bucket, or that creates it. That of another
    /// account cannot be read.
    async fn account_block(&self, exists: bool) -> Setting<(String, Block)> {
        let Some(url) = self.control_url().await else { return Setting::NotRead };
        let owner = self.options.expected_bucket_owner.clone();
        let Some(account) = (match owner {
            Some(owner) => Some(owner),
            None => self.account.id().await,
        }) else {
            return Setting::NotRead;
        };
        let (is_in_account, block) = tokio::join!(
            self.is_in_account(&account, exists),
            self.get_account_block(&url, &account)
        );
        match block {
            _ if !is_in_account => Setting::NotRead,
            Ok(block) => match block {
                Setting::Present(block) => Setting::Present((account, block)),
                Setting::Absent => Setting::Absent,
                _ => Setting::Denied,
            },
            Err(_) => Setting::Denied,
        }
    }

    async fn is_in_account(&self, account: &str, exists: bool) -> bool {
        if !exists || self.options.expected_bucket_owner.is_some() {
            return true;
        }
        let request = self.client.head_bucket().bucket(self.location.bucket.as_str());
        request.expected_bucket_owner(account).send().await.is_ok()
    }

    /// The account's setting has the API of a service of its own (`s3-control`), which has the same
    /// answer, the same signature and another address.
    async fn get_account_block(&self, url: &str, account: &str) -> Result<Setting<Block>, Error> {
        let host = url.split_once("//").map_or(url, |(_, rest)| rest).to_owned();
        let uri = format!("{url}/v20180820/configuration/publicAccessBlock");
        let id = account.to_owned();
        let request = self.client.get_public_access_block().bucket(self.location.bucket.as_str());
        let sent = request.customize().mutate_request(move |request| {
            // An address that is not valid is that of the bucket: its block is no account's.
            if request.set_uri(uri.as_str()).is_ok() {
                request.headers_mut().insert("host", host.clone());
                request.headers_mut().insert("x-amz-account-id", id.clone());
            }
        });
        match sent.send().await {
            Ok(answer) => self.block_of(&answer).map(Setting::Present),
            Err(error) => self.setting(
                &error,
                "NoSuchPublicAccessBlockConfiguration",
                "GetPublicAccessBlock",
                &["s3:GetAccountPublicAccessBlock"],
            ),
        }
    }

    /// `None` for another store than S3, unless an address was configured.
    async fn control_url(&self) -> Option<String> {
        if let Some(url) = &self.control_url {
            return Some(url.trim_end_matches('/').to_owned());
        }
        if self.options.endpoint_url.is_some() || !self.account.is_known() {
            return None;
        }
        let account = match &self.options.expected_bucket_owner {
            Some(account) => account.clone(),
            None => self.account.id().await?,
        };
        let suffix = Partition::of_region(&self.region).dns_suffix;
        Some(format!("https://{account}.s3-control.{}.{suffix}", self.region))
    }

    async fn requester_pays(&self) -> Setting<bool> {
        let request =
            self.client.get_bucket_request_payment().bucket(self.location.bucket.as_str());
        let owner = self.options.expected_bucket_owner.clone();
        match request.set_expected_bucket_owner(owner).send().await {
            Ok(answer) => match answer.payer() {
                Some(payer) => Setting::Present(*payer == Payer::Requester),
                None => Setting::Unsupported,
            },
            Err(error) if self.is_unsupported(code(&error).as_deref(), &error) => {
                Setting::Unsupported
            }
            Err(_) => Setting::Denied,
        }
    }

    async fn retention(&self) -> Setting<String> {
        let request =
            self.client.get_object_lock_configuration().bucket(self.location.bucket.as_str());
        let owner = self.options.expected_bucket_owner.clone();
        match request.set_expected_bucket_owner(owner).send().await {
            Ok(answer) => {
                let configuration = answer.object_lock_configuration();
                let is_on = configuration.and_then(|lock| lock.object_lock_enabled())
                    == Some(&ObjectLockEnabled::Enabled);
                let rule = configuration.and_then(|lock| lock.rule()?.default_retention());
                let length = rule.and_then(|rule| match (rule.days(), rule.years()) {
                    (Some(days), _) => Some(format!("{days} days")),
                    (None, years) => years.map(|years| format!("{years} years")),
                });
                length.filter(|_| is_on).map_or(Setting::Absent, Setting::Present)
            }
            Err(error) => match code(&error).as_deref() {
                Some("ObjectLockConfigurationNotFoundError") => Setting::Absent,
                code if self.is_unsupported(code, &error) => Setting::Unsupported,
                _ => Setting::Denied,
            },
        }
    }
}
