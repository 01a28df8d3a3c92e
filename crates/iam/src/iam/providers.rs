//! OIDC providers (IAM API, `…OpenIDConnectProvider`).

use issuer_discovery::IssuerUrl;
use issuer_session::replan;

use super::{ATTEMPTS, Iam, failed, from_iam, gone, is_missing, to_iam};
use crate::{
    Error, Provider, ProviderArn, ProviderPlan, ProviderSpec, ProviderState, ProviderStep,
};

impl Iam {
    /// The provider of an issuer, and the other providers in the account. The list has only ARNs,
    /// and `Get…` returns the URL without its scheme, so providers are identified by ARN.
    ///
    /// # Errors
    /// [`Error::Port`]; a denied or failed call.
    pub async fn find_provider(&self, issuer: &IssuerUrl) -> Result<ProviderState, Error> {
        let (alone, all) = tokio::join!(self.find_provider_alone(issuer), self.list_providers());
        let all = all?;
        Ok(alone?.among(&all))
    }

    /// The provider of an issuer, without the other providers in the account.
    ///
    /// # Errors
    /// [`Error::Port`]; a denied or failed call.
    pub async fn find_provider_alone(&self, issuer: &IssuerUrl) -> Result<ProviderState, Error> {
        let arn = ProviderArn::new(self.partition, &self.account, issuer)?.as_str().to_owned();
        Ok(ProviderState { provider: self.get_provider(&arn).await?, others: Vec::new(), arn })
    }

    /// Reads the provider and compares it with the desired one.
    ///
    /// # Errors
    /// Those of [`Iam::find_provider`] and [`ProviderPlan::new`].
    pub async fn plan_provider(&self, spec: &ProviderSpec) -> Result<ProviderPlan, Error> {
        ProviderPlan::new(spec, &self.find_provider(&spec.issuer).await?)
    }

    /// Executes a plan. After a conflict a new plan is made, which replaces `plan`, and is passed to
    /// `replanned`.
    ///
    /// # Errors
    /// Those of [`Iam::plan_provider`]; a denied or failed call.
    pub async fn apply_provider(
        &self,
        spec: &ProviderSpec,
        plan: &mut ProviderPlan,
        mut replanned: impl FnMut(&ProviderPlan),
    ) -> Result<(), Error> {
        let execute = async |plan: &mut ProviderPlan| self.execute_provider(plan).await;
        let again = async |plan: &mut ProviderPlan| {
            *plan = ProviderPlan { wrote: plan.wrote, ..self.plan_provider(spec).await? };
            replanned(plan);
            Ok(())
        };
        replan(ATTEMPTS, plan, execute, Error::is_overtaken, again).await
    }

    /// The provider of an issuer, if it exists.
    ///
    /// # Errors
    /// [`Error::Port`]; a denied or failed call.
    pub async fn provider(&self, issuer: &IssuerUrl) -> Result<Option<Provider>, Error> {
        self.get_provider(ProviderArn::new(self.partition, &self.account, issuer)?.as_str()).await
    }

    /// Deletes a provider; succeeds if it no longer exists. `force` is required if issuerctl did
    /// not create it.
    ///
    /// # Errors
    /// [`Error::Adopted`]; a denied or failed call.
    pub async fn delete_provider(&self, provider: &Provider, force: bool) -> Result<(), Error> {
        provider.may_be_deleted(force)?;
        let request = self
            .client
            .delete_open_id_connect_provider()
            .open_id_connect_provider_arn(&provider.arn);
        gone(request.send().await.map(drop), "iam:DeleteOpenIDConnectProvider", &provider.arn)
    }

    /// The provider with this ARN, if it exists; an emulator may have one with a port.
    ///
    /// # Errors
    /// A denied or failed call.
    pub async fn provider_at(&self, arn: &str) -> Result<Option<Provider>, Error> {
        self.get_provider(arn).await
    }

    async fn get_provider(&self, arn: &str) -> Result<Option<Provider>, Error> {
        let answer = self
            .client
            .get_open_id_connect_provider()
            .open_id_connect_provider_arn(arn)
            .send()
            .await;
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

    /// The ARNs of the account's providers.
    ///
    /// # Errors
    /// A denied or failed call.
    pub async fn list_providers(&self) -> Result<Vec<String>, Error> {
        let answer = self.client.list_open_id_connect_providers().send().await;
        let list = answer.map_err(|error| failed("iam:ListOpenIDConnectProviders", "*", &error))?;
        Ok(list
            .open_id_connect_provider_list()
            .iter()
            .filter_map(|entry| entry.arn().map(str::to_owned))
            .collect())
    }

    async fn execute_provider(&self, plan: &mut ProviderPlan) -> Result<(), Error> {
        for step in &plan.steps {
            self.execute_provider_step(&plan.arn, step).await?;
            plan.wrote = true;
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
                request
                    .send()
                    .await
                    .map_err(|error| failed("iam:CreateOpenIDConnectProvider", arn, &error))?;
            }
            ProviderStep::AddAudience(audience) => {
                let request =
                    client.add_client_id_to_open_id_connect_provider().client_id(audience);
                let answer = request.open_id_connect_provider_arn(arn).send().await;
                answer.map_err(|error| {
                    failed("iam:AddClientIDToOpenIDConnectProvider", arn, &error)
                })?;
            }
            ProviderStep::RemoveAudience(audience) => {
                let request =
                    client.remove_client_id_from_open_id_connect_provider().client_id(audience);
                let answer = request.open_id_connect_provider_arn(arn).send().await;
                answer.map_err(|error| {
                    failed("iam:RemoveClientIDFromOpenIDConnectProvider", arn, &error)
                })?;
            }
            ProviderStep::SetThumbprints { to: list, .. } => {
                let request = client
                    .update_open_id_connect_provider_thumbprint()
                    .set_thumbprint_list(Some(list.clone()));
                let answer = request.open_id_connect_provider_arn(arn).send().await;
                answer.map_err(|error| {
                    failed("iam:UpdateOpenIDConnectProviderThumbprint", arn, &error)
                })?;
            }
            ProviderStep::Tag { to, .. } => {
                let request = client.tag_open_id_connect_provider().set_tags(Some(to_iam(to)?));
                let answer = request.open_id_connect_provider_arn(arn).send().await;
                answer.map_err(|error| failed("iam:TagOpenIDConnectProvider", arn, &error))?;
            }
        }
        Ok(())
    }
}
