//! OIDC providers.

use super::{Answer, Call, date, tagged, tags};
use crate::iam::account::AccountProvider;
use crate::iam::query::Refusal;
use crate::iam::xml::Xml;

/// Quotas: providers of an account, and client IDs of a provider.
const PROVIDERS: usize = 100;
const CLIENT_IDS: usize = 100;

/// The thumbprint that IAM retrieves from an issuer if none was given.
const RETRIEVED: &str = "9e99a48a9960b14926bb7f3b02e22da2b0ab7280";

impl Call<'_> {
    fn provider(&mut self) -> Result<&mut AccountProvider, Refusal> {
        let arn = self.query.required("OpenIDConnectProviderArn")?;
        let missing =
            || Refusal::missing(format!("OpenIDConnect Provider not found for arn {arn}"));
        self.account.providers.get_mut(arn).ok_or_else(missing)
    }

    pub(super) fn get_provider(&mut self) -> Answer {
        let provider = self.provider()?;
        Ok(Some(Xml::of(|xml| {
            xml.text("Url", &provider.url);
            xml.texts("ClientIDList", &provider.client_ids);
            xml.texts("ThumbprintList", &provider.thumbprints);
            xml.text("CreateDate", date(0));
            tags(xml, &provider.tags);
        })))
    }

    pub(super) fn list_providers(&self) -> Option<Xml> {
        Some(Xml::of(|xml| {
            let arns = self.account.providers.keys();
            xml.members("OpenIDConnectProviderList", arns, |xml, arn| xml.text("Arn", arn));
        }))
    }

    pub(super) fn create_provider(&mut self) -> Answer {
        let url = self.query.required("Url")?;
        let Some(without_scheme) = url.strip_prefix("https://").filter(|rest| !rest.is_empty())
        else {
            return Err(Refusal::new("ValidationError", "Invalid Open ID Connect Provider URL"));
        };
        let arn = self.account.arn("oidc-provider", &format!("/{without_scheme}"));
        if self.account.providers.contains_key(&arn) {
            let message = format!("Provider with url {url} already exists.");
            return Err(Refusal::new("EntityAlreadyExists", message));
        }
        if self.account.providers.len() >= PROVIDERS {
            return Err(quota("OpenIDConnectProvidersPerAccount", PROVIDERS));
        }
        let mut thumbprints = thumbprints(self.query.list("ThumbprintList"))?;
        if thumbprints.is_empty() {
            thumbprints.push(RETRIEVED.to_owned());
        }
        let given = tagged(&Default::default(), self.query.tags())?;
        let client_ids = self.query.list("ClientIDList");
        if client_ids.len() > CLIENT_IDS {
            return Err(quota("ClientIdsPerOpenIdConnectProvider", CLIENT_IDS));
        }
        let answer = Xml::of(|xml| {
            xml.text("OpenIDConnectProviderArn", &arn);
            tags(xml, &given);
        });
        let url = without_scheme.to_owned();
        let provider = AccountProvider { url, client_ids, thumbprints, tags: given };
        self.account.providers.insert(arn, provider);
        Ok(Some(answer))
    }

    /// Deleting one that does not exist is not an error (IAM API).
    pub(super) fn delete_provider(&mut self) -> Answer {
        self.account.providers.remove(self.query.required("OpenIDConnectProviderArn")?);
        Ok(None)
    }

    pub(super) fn add_client_id(&mut self) -> Answer {
        let id = self.query.required("ClientID")?.to_owned();
        let provider = self.provider()?;
        if !provider.client_ids.contains(&id) {
            if provider.client_ids.len() >= CLIENT_IDS {
                return Err(quota("ClientIdsPerOpenIdConnectProvider", CLIENT_IDS));
            }
            provider.client_ids.push(id);
        }
        Ok(None)
    }

    /// Deleting one that does not exist is not an error (IAM API).
    pub(super) fn remove_client_id(&mut self) -> Answer {
        let id = self.query.required("ClientID")?.to_owned();
        self.provider()?.client_ids.retain(|there| *there != id);
        Ok(None)
    }

    pub(super) fn update_thumbprints(&mut self) -> Answer {
        let thumbprints = thumbprints(self.query.list("ThumbprintList"))?;
        self.provider()?.thumbprints = thumbprints;
        Ok(None)
    }

    pub(super) fn tag_provider(&mut self) -> Answer {
        let new = self.query.tags();
        let provider = self.provider()?;
        provider.tags = tagged(&provider.tags, new)?;
        Ok(None)
    }
}

fn thumbprints(given: Vec<String>) -> Result<Vec<String>, Refusal> {
    let is_one = |text: &String| text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit());
    if given.len() > 5 {
        return Err(Refusal::new(
            "InvalidInput",
            "Thumbprint list must contain fewer than 5 entries.",
        ));
    }
    if !given.iter().all(is_one) {
        return Err(Refusal::new("ValidationError", "Thumbprints have 40 hexadecimal digits."));
    }
    Ok(given)
}

pub(super) fn quota(name: &str, most: usize) -> Refusal {
    Refusal::new("LimitExceeded", format!("Cannot exceed quota for {name}: {most}"))
}
