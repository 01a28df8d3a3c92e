//! `issuerctl render`

mod existing;
mod line;
mod place;

use issuer_discovery::Partition;
use issuer_iam::{AccountId, Thumbprint, TrustPolicy, USUAL_TRUST_POLICY};
use issuer_manifest::StoreSpec;
use issuer_publish::{Plan, Published, Purpose, Store};
use issuer_render::{Existing, Rendering};

use crate::Outcome;
use crate::cli::{AwsArgs, KubeArgs, OutputFormat, RenderArgs, RenderCommand};
use crate::commands::whole::{self, Opened};
use crate::commands::{provider, verify};
use crate::failure::Failure;
use crate::manifest::{self, Document};
use crate::output;
use crate::runtime::Runtime;
use crate::sources::{self, Given};
use crate::talk::Talk;
use place::Place;

pub(crate) fn run(command: &RenderCommand, format: OutputFormat, talk: &Talk) -> Outcome {
    let wish = Wish::of(command);
    let documents = manifest::read(&wish.render.file)?;
    if wish.aws.print_iam_policy {
        // Whose the credentials are anybody may ask.
        let documents = if wish.import { documents } else { Vec::new() };
        let policy = Runtime::start()?.block_on(whole::policy(
            &documents,
            wish.aws,
            Purpose::TakeOver,
            false,
        ))?;
        return output::policy(format, &policy);
    }
    let keys = documents
        .iter()
        .map(|document| wish.keys(document, talk))
        .collect::<Result<Vec<_>, _>>()?;
    let (renderings, existing) = match &wish.render.account {
        Some(account) => (wish.offline(&documents, keys, account, talk)?, Existing::default()),
        None => Runtime::start()?.block_on(wish.online(documents, keys, talk))?,
    };
    if wish.for_aws {
        say_sizes(&renderings, talk)?;
    }
    let text = match command {
        RenderCommand::Terraform(_) => issuer_render::terraform(&renderings, &existing)?,
        RenderCommand::Cloudformation(_) => issuer_render::cloudformation(&renderings)?,
        RenderCommand::Kubernetes(_) => {
            let rendered = issuer_render::kubernetes(&renderings)?;
            if rendered.count == 0 {
                talk.warning(
                    "no role of the file names a service account, so there is none to render",
                );
            }
            for pattern in &rendered.left_out {
                talk.warning(&format!("{pattern} names no one service account, and is left out"));
            }
            rendered.yaml
        }
    };
    output::rendered(format, text)
}

/// No plan of ours will say it later.
fn say_sizes(renderings: &[Rendering], talk: &Talk) -> Result<(), Failure> {
    for role in renderings.iter().flat_map(|rendering| &rendering.roles) {
        let size = TrustPolicy::default().with(&role.trust)?.size();
        if size > USUAL_TRUST_POLICY {
            talk.warning(&format!(
                "the trust policy of {} will have {size} characters; accounts whose quota was not \
                 raised take {USUAL_TRUST_POLICY}",
                role.name
            ));
        }
    }
    Ok(())
}

/// What the command line says, whatever it is for.
struct Wish<'a> {
    render: &'a RenderArgs,
    aws: &'a AwsArgs,
    /// How clusters are reached, where the documents themselves are rendered.
    kube: Option<&'a KubeArgs>,
    /// Whether anything but service accounts is rendered.
    for_aws: bool,
    import: bool,
}

impl<'a> Wish<'a> {
    fn of(command: &'a RenderCommand) -> Self {
        match command {
            RenderCommand::Terraform(args) => {
                let (render, aws, kube) = (&args.render, &args.aws, Some(&args.kube));
                Self { render, aws, kube, for_aws: true, import: args.import }
            }
            RenderCommand::Cloudformation(args) => Self {
                render: &args.render,
                aws: &args.aws,
                kube: None,
                for_aws: true,
                import: false,
            },
            RenderCommand::Kubernetes(args) => Self {
                render: &args.render,
                aws: &args.aws,
                kube: None,
                for_aws: false,
                import: false,
            },
        }
    }

    /// The keys of documents that are rendered themselves.
    fn keys(&self, document: &Document, talk: &Talk) -> Result<Option<Given>, Failure> {
        if let (true, Some(StoreSpec::S3(s3))) = (self.for_aws, &document.issuer.spec.store)
            && let Some(endpoint) = &s3.endpoint_url
        {
            let name = document.issuer.name();
            talk.warning(&format!(
                "{name}: the bucket {} is at {endpoint} and not in AWS, and is left out",
                s3.bucket
            ));
        }
        match self.kube {
            Some(kube) if self.has_site(document) => {
                sources::read_all(&document.sources(kube), document.weak(), talk).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whether bucket and documents are rendered.
    fn has_site(&self, document: &Document) -> bool {
        self.for_aws
            && matches!(&document.issuer.spec.store, Some(StoreSpec::S3(s3)) if s3.endpoint_url.is_none())
    }

    /// Without a word with AWS.
    fn offline(
        &self,
        documents: &[Document],
        keys: Vec<Option<Given>>,
        account: &AccountId,
        talk: &Talk,
    ) -> Result<Vec<Rendering>, Failure> {
        let mut renderings = Vec::new();
        for (document, given) in documents.iter().zip(keys) {
            let region = document.region(self.aws);
            let place = Place::new(document, region.as_deref())?;
            let named = self.render.partition.as_deref().and_then(Partition::named);
            let of_region = || region.as_deref().map(Partition::of_region);
            let partition =
                named.or_else(of_region).or_else(|| Partition::of_host(place.url.host()));
            if self.for_aws && document.issuer.needs_top_of_chain() {
                talk.warning(
                    "thumbprint auto is left out, since --account keeps off the network; IAM takes \
                     one itself",
                );
            }
            let site = match region {
                _ if !self.has_site(document) => None,
                Some(region) => Some(
                    place
                        .site(given.map(|given| first(&place, given, talk)).transpose()?, region)?,
                ),
                None => return Err(place::no_region(document)),
            };
            renderings.push(place.rendering(
                account,
                partition.unwrap_or(Partition::of_region("")),
                site,
                None,
            ));
        }
        Ok(renderings)
    }

    /// For the account of the credentials, and with what is there where it is to be taken over.
    async fn online(
        &self,
        documents: Vec<Document>,
        keys: Vec<Option<Given>>,
        talk: &Talk,
    ) -> Result<(Vec<Rendering>, Existing), Failure> {
        let wait = talk.wait("asking AWS");
        let fetch = verify::fetch_options(&self.aws.tls)?;
        let (opened, iam) = whole::open(documents, self.aws, false, talk).await?;
        let iam = match iam {
            Some(iam) => iam,
            None => provider::connect(self.aws, talk).await?,
        };
        let mut existing = Existing::default();
        let mut renderings = Vec::new();
        for (Opened { document, url, store }, given) in opened.iter().zip(keys) {
            let place = Place { document, url: url.clone() };
            let top: Option<Thumbprint> = match document.issuer.needs_top_of_chain() && self.for_aws
            {
                true => Some(issuer_verify::top_of_chain(url, &fetch).await?.parse()?),
                false => None,
            };
            let site = match store {
                Some(store @ Store::S3(s3)) if self.has_site(document) => {
                    let plan = match given {
                        Some(given) if self.import => {
                            given.compare_issuer(url, talk);
                            Some(
                                existing::add_site(
                                    &mut existing,
                                    document,
                                    store,
                                    &place.given(given),
                                )
                                .await?,
                            )
                        }
                        given => given.map(|given| first(&place, given, talk)).transpose()?,
                    };
                    Some(place.site(plan, s3.region().to_owned())?)
                }
                _ => None,
            };
            let rendering = place.rendering(iam.account(), iam.partition(), site, top.as_ref());
            if self.import {
                existing::add_iam(&mut existing, &iam, &rendering).await?;
            }
            renderings.push(rendering);
        }
        wait.finish_and_clear();
        Ok((renderings, existing))
    }
}

/// The documents as they are where nothing is published yet: with the keys of the file alone.
fn first(place: &Place<'_>, given: Given, talk: &Talk) -> Result<Plan, Failure> {
    given.compare_issuer(&place.url, talk);
    let options = place.document.plan_options(false);
    Ok(Plan::new("", &place.given(given), &Published::default(), &options)?)
}
