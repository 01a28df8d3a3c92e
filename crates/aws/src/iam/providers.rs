//! OIDC providers (IAM API, `…OpenIDConnectProvider`).

use issuer_discovery::IssuerUrl;

use super::{Iam, TRIES, failed, from_iam, gone, is_missing, to_iam};
use crate::{Error, Found, Provider, ProviderArn, ProviderPlan, ProviderSpec, ProviderStep};

impl Iam {
    /// The provider of an issuer, and the account's others. The list has ARNs alone, and `Get…` returns the URL without its
    /// scheme, so it is the ARN that finds it.
    ///
    /// # Errors
    /// [`Error::Port`]; a denied or failed call.
    pub async fn find_provider(&self, issuer: &IssuerUrl) -> Result<Found, Error> {
        let arn = ProviderArn::new(self.partition, &self.account, issuer)?.as_str().to_owned();
        let (provider, others) = tokio::join!(self.get_provider(&arn), self.list_providers());
        let others = others?.into_iter().filter(|other| *other != arn).collect();
        Ok(Found { provider: provider?, others, arn })
    }

    /// Plans, lets `approve` see the plan, and executes it; where somebody else was faster, it is planned anew.
    ///
    /// # Errors
    /// Those of [`Iam::find_provider`], [`ProviderPlan::new`] and `approve`; a denied or failed call.
    pub async fn apply_provider<E: From<Error>>(
        &self,
        spec: &ProviderSpec,
        mut approve: impl FnMut(&ProviderPlan) -> Result<bool, E>,
    ) -> Result<ProviderPlan, E> {
        let mut tries = 0;
        loop {
            let plan = ProviderPlan::new(spec, &self.find_provider(&spec.issuer).await?)?;
            if !approve(&plan)? {
                return Ok(plan);
            }
            tries += 1;
            match self.execute_provider(&plan).await {
                Ok(()) => return Ok(plan),
                Err(Error::Changed { .. }) if tries < TRIES => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Deletes the provider of an issuer; nothing there is nothing to do. One that issuerctl did not make needs `force`.
    ///
    /// # Errors
    /// [`Error::Adopted`]; a denied or failed call.
    pub async fn delete_provider(
        &self,
        issuer: &IssuerUrl,
        force: bool,
        dry_run: bool,
    ) -> Result<Option<Provider>, Error> {
        let arn = ProviderArn::new(self.partition, &self.account, issuer)?.as_str().to_owned();
        let Some(provider) = self.get_provider(&arn).await? else { return Ok(None) };
        if !provider.is_ours() && !force {
            return Err(Error::Adopted { arn });
        }
        if !dry_run {
            let answer = self.client.delete_open_id_connect_provider().open_id_connect_provider_arn(&arn).send().await;
            gone(answer.map(drop), "iam:DeleteOpenIDConnectProvider", &arn)?;
        }
        Ok(Some(provider))
    }

    async fn get_provider(&self, arn: &str) -> Result<Option<Provider>, Error> {
        let answer = self.client.get_open_id_connect_provider().open_id_connect_provider_arn(arn).send().await;
        match answer {
            Ok(provider) => Ok(Some(Provider {
                arn: arn.to_owned(),
                audiences: provider.client_id_list().to_vec(),
                thumbprints: provider.thumbprint_list().to_vec(),
                tags: from_iam(provider.tags()),
            })),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed("iam:GetOpenIDConnectProvider", arn, &error)),
        }
    }

    async fn list_providers(&self) -> Result<Vec<String>, Error> {
        let answer = self.client.list_open_id_connect_providers().send().await;
        let list = answer.map_err(|error| failed("iam:ListOpenIDConnectProviders", "*", &error))?;
        Ok(list.open_id_connect_provider_list().iter().filter_map(|entry| entry.arn().map(str::to_owned)).collect())
    }

    async fn execute_provider(&self, plan: &ProviderPlan) -> Result<(), Error> {
        for step in &plan.steps {
            self.execute_provider_step(&plan.arn, step).await?;
        }
        Ok(())
    }

    async fn execute_provider_step(&self, arn: &str, step: &ProviderStep) -> Result<(), Error> {
        let client = &self.client;
        match step {
            ProviderStep::Create { url, audiences, thumbprints, tags } => {
                let request = client
                    .create_open_id_connect_provider()
                    .url(url)
                    .set_client_id_list(Some(audiences.clone()))
                    .set_thumbprint_list((!thumbprints.is_empty()).then(|| thumbprints.clone()))
                    .set_tags(Some(to_iam(tags)?));
                request.send().await.map_err(|error| failed("iam:CreateOpenIDConnectProvider", arn, &error))?;
            }
            ProviderStep::AddAudience(audience) => {
                let request = client.add_client_id_to_open_id_connect_provider().client_id(audience);
                let answer = request.open_id_connect_provider_arn(arn).send().await;
                answer.map_err(|error| failed("iam:AddClientIDToOpenIDConnectProvider", arn, &error))?;
            }
            ProviderStep::RemoveAudience(audience) => {
                let request = client.remove_client_id_from_open_id_connect_provider().client_id(audience);
                let answer = request.open_id_connect_provider_arn(arn).send().await;
                answer.map_err(|error| failed("iam:RemoveClientIDFromOpenIDConnectProvider", arn, &error))?;
            }
            ProviderStep::SetThumbprints(list) => {
                let request =
                    client.update_open_id_connect_provider_thumbprint().set_thumbprint_list(Some(list.clone()));
                let answer = request.open_id_connect_provider_arn(arn).send().await;
                answer.map_err(|error| failed("iam:UpdateOpenIDConnectProviderThumbprint", arn, &error))?;
            }
            ProviderStep::Tag(tags) => {
                let request = client.tag_open_id_connect_provider().set_tags(Some(to_iam(tags)?));
                let answer = request.open_id_connect_provider_arn(arn).send().await;
                answer.map_err(|error| failed("iam:TagOpenIDConnectProvider", arn, &error))?;
            }
        }
        Ok(())
    }
}
