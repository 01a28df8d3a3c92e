//! What trust policies let in, judged by an evaluator that knows nothing of how they are made.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod evaluator;

use evaluator::{Request, allows, like};
use issuer_discovery::{IssuerUrl, PARTITIONS, Ports};
use issuer_iam::{
    AccountId, Audience, LintOptions, LintReport, ProviderArn, ServiceAccountPattern, Status,
    Trust, TrustPolicy, lint,
};
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Value, json};

const ISSUER: &str = "oidc.example.com/prod";
const PROVIDER: &str = "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/prod";
const APP: &str = "system:serviceaccount:ab:ba";

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_policy_lets_in_what_was_asked_for_and_nothing_else(
        trusts in trusts(), at in any::<Index>(), with in any::<Index>(), token in token()
    ) {
        let policy: Value = serde_json::from_str(&TrustPolicy::new(&trusts).unwrap().to_json()).unwrap();
        // A token from the provider of one trust with the claims of another: the same one, most
        // often.
        let (from, claims) = (at.get(&trusts), with.get(&trusts));
        let arn = ProviderArn::new(from.partition, &from.account, &from.issuer).unwrap();
        let request = Request::token(arn.as_str(), from.issuer.without_scheme(), token.audience, &token.subject());
        let asked = asks_for(from, &token);
        prop_assert_eq!(allows(&policy, &request), asked, "{} {:?}", policy, token);
        // Claims under the keys of another issuer are worth nothing.
        let same_keys = from.issuer.as_str().eq_ignore_ascii_case(claims.issuer.as_str());
        let strange = Request::token(arn.as_str(), claims.issuer.without_scheme(), token.audience, &token.subject());
        prop_assert_eq!(allows(&policy, &strange), asked && same_keys);
        // Nor is another provider, whatever its token says.
        let elsewhere = Request::token(&arn.as_str().replace("iam::", "iam::9"), from.issuer.without_scheme(), token.audience, &token.subject());
        prop_assert!(!allows(&policy, &elsewhere));
    }

    #[test]
    fn what_is_made_here_passes_and_lets_its_service_account_in(trusts in trusts(), at in any::<Index>(), token in token()) {
        let trust = at.get(&trusts);
        let options = LintOptions {
            issuer: trust.issuer.clone(),
            service_account: Some(token.service_account()),
            account: Some(trust.account.clone()),
            partition: Some(trust.partition),
            audiences: trust.audiences.clone(),
            now: None,
            allow_port: false,
        };
        let report = lint(&TrustPolicy::new(&trusts).unwrap().to_json_pretty(), &options).unwrap();
        let covered = covers(trust, &token);
        prop_assert_eq!(report.passed(), covered, "{:?}", report);
        let faults: Vec<&str> = report.findings.iter().filter(|f| f.status != Status::Pass).map(|f| f.id).collect();
        prop_assert!(faults.iter().all(|id| ["sub-wildcard", "sub-mismatch"].contains(id)), "{:?}", faults);
    }

    #[test]
    fn the_lint_and_the_evaluator_agree_on_policies_with_faults(policy in faulty_policy()) {
        let report = lint(&policy.to_string(), &options()).unwrap();
        let lets_in = |audience: &str, subject: &str| allows(&policy, &Request::token(PROVIDER, ISSUER, audience, subject));
        let works = lets_in("sts.amazonaws.com", APP);
        if report.passed() {
            prop_assert!(works, "passes and does not work: {:#} {:#?}", policy, faults(&report));
            prop_assert!(!lets_in("sts.amazonaws.com", "system:serviceaccount:xx:yy"), "passes and \
                is too wide: {:#}", policy);
            let foreign = ["aud-wildcard", "aud-extra"].iter().any(|id| faults(&report).contains(id));
            prop_assert!(foreign || !lets_in("vault", APP), "passes and takes any audience: \
                {:#}", policy);
            // The token of another issuer, whose provider the statement may name beside ours.
            let other = PROVIDER.replace("prod", "test");
            prop_assert!(!allows(&policy, &Request::token(&other, "oidc.example.com/test", "sts.amazonaws.com", APP)));
        } else if works {
            // Then no consequence may say that nobody gets in.
            for finding in report.findings.iter().filter(|finding| finding.status == Status::Fail) {
                let consequence = finding.consequence.clone().unwrap_or_default();
                let fatal = ["no token", "tokens of the issuer are not", "STS answers AccessDenied"];
                let says = fatal.iter().any(|text| consequence.starts_with(text));
                prop_assert!(!says, "works in spite of {}: {:#}", finding.id, policy);
            }
        }
    }

    #[test]
    fn odd_shapes_neither_stop_the_lint_nor_get_past_it(
        mut policy in faulty_policy(), member in select(vec!["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Condition"]), odd in odd()
    ) {
        policy["Statement"][0][member] = odd;
        let report = lint(&policy.to_string(), &options()).unwrap();
        let works = allows(&policy, &Request::token(PROVIDER, ISSUER, "sts.amazonaws.com", APP));
        prop_assert!(works || !report.passed(), "passes and does not work: {:#}", policy);
    }
}

/// The generator above must make both kinds, or the property says nothing.
#[test]
fn the_policies_with_faults_are_some_of_each_kind() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut passed, mut failed) = (0, 0);
    for _ in 0..300 {
        let policy = faulty_policy().new_tree(&mut runner).unwrap().current();
        if lint(&policy.to_string(), &options()).unwrap().passed() {
            passed += 1
        } else {
            failed += 1
        }
    }
    assert!(passed > 30 && failed > 30, "{passed} {failed}");
}

fn options() -> LintOptions {
    LintOptions {
        service_account: Some("ab/ba".parse().unwrap()),
        account: Some("111122223333".parse().unwrap()),
        ..LintOptions::new(
            IssuerUrl::parse("https://oidc.example.com/prod", Ports::Refuse).unwrap(),
        )
    }
}

fn faults(report: &LintReport) -> Vec<&'static str> {
    report
        .findings
        .iter()
        .filter(|finding| finding.status != Status::Pass)
        .map(|finding| finding.id)
        .collect()
}

/// The claims of a token; of a service account, or of something else that an issuer might speak of.
#[derive(Debug, Clone)]
struct Token {
    audience: &'static str,
    kind: &'static str,
    namespace: String,
    name: String,
}

impl Token {
    fn subject(&self) -> String {
        format!("{}{}:{}", self.kind, self.namespace, self.name)
    }

    fn service_account(&self) -> ServiceAccountPattern {
        format!("{}/{}", self.namespace, self.name).parse().unwrap()
    }
}

/// Whether the namespace matches as a namespace and the name as a name.
fn covers(trust: &Trust, token: &Token) -> bool {
    trust.service_accounts.iter().any(|pattern| {
        like(pattern.namespace(), &token.namespace) && like(pattern.name(), &token.name)
    })
}

fn asks_for(trust: &Trust, token: &Token) -> bool {
    token.kind == "system:serviceaccount:"
        && covers(trust, token)
        && trust.audiences.iter().any(|audience| audience.as_str() == token.audience)
}

const AUDIENCES: [&str; 4] = ["sts.amazonaws.com", "STS.amazonaws.com", "vault", "*"];

/// Few letters, so that names often match.
fn token() -> impl Strategy<Value = Token> {
    let kind = prop_oneof![
        9 => Just("system:serviceaccount:"),
        1 => select(vec!["system:node:", "System:serviceaccount:", "x:system:serviceaccount:", ""]),
    ];
    (select(&AUDIENCES[..]), kind, "[ab]{1,3}", "[ab]{1,2}([.-][ab])?")
        .prop_map(|(audience, kind, namespace, name)| Token { audience, kind, namespace, name })
}

fn pattern() -> impl Strategy<Value = ServiceAccountPattern> {
    let (namespaces, names) = ("[ab*?]{1,3}", "[ab.*?-]{1,3}");
    let some = prop_oneof![
        ("[ab]{1,3}", names),
        (namespaces, "[ab]{1,2}"),
        ("[ab][ab*?]{1,2}", "[ab][ab*?]{1,2}"),
    ];
    some.prop_filter_map("names that Kubernetes does not have", |(namespace, name)| {
        format!("{namespace}/{name}").parse().ok()
    })
}

fn trusts() -> impl Strategy<Value = Vec<Trust>> {
    let issuers = vec![
        "https://oidc.example.com/prod",
        "https://oidc.example.com/prod2",
        "https://oidc.example.com/Prod",
        "https://oidc.example.com",
        "https://oidc.eks.us-west-2.amazonaws.com/id/0123456789ABCDEF",
    ];
    // In one account and partition, as a role is: an issuer that differs in case has the same
    // condition keys and another ARN.
    let account = select(vec!["111122223333", "000000000000"]);
    let place = (select(&PARTITIONS[..]), account);
    let one = (subsequence(AUDIENCES.to_vec(), 1..=3), proptest::collection::vec(pattern(), 1..4))
        .boxed();
    (place, subsequence(issuers, 1..=3))
        .prop_flat_map(move |(place, issuers)| {
            let count = issuers.len();
            (Just(place), Just(issuers), proptest::collection::vec(one.clone(), count))
        })
        .prop_map(|((partition, account), issuers, parts)| {
            let account: AccountId = account.parse().unwrap();
            let each = issuers.into_iter().zip(parts);
            each.map(|(issuer, (audiences, service_accounts))| Trust {
                partition,
                account: account.clone(),
                issuer: IssuerUrl::parse(issuer, Ports::Refuse).unwrap(),
                audiences: audiences
                    .into_iter()
                    .map(|text| text.parse::<Audience>().unwrap())
                    .collect(),
                service_accounts,
            })
            .collect()
        })
}

/// A right value most often, else one of the wrong ones.
fn mostly<T: Clone + std::fmt::Debug + 'static>(
    right: T,
    wrong: Vec<T>,
) -> impl Strategy<Value = T> {
    prop_oneof![8 => Just(right), 2 => select(wrong)]
}

fn operator() -> impl Strategy<Value = &'static str> {
    let others = vec![
        "StringLike",
        "StringEqualsIgnoreCase",
        "StringNotEquals",
        "StringNotLike",
        "StringNotEqualsIgnoreCase",
        "StringEqualsIfExists",
        "StringNotEqualsIfExists",
        "ForAnyValue:StringEquals",
        "ForAllValues:StringLike",
        "ForAllValues:StringNotLike",
        "ForAnyValue:StringLikeIfExists",
        "Null",
        "ArnLike",
        "ArnLikeIfExists",
    ];
    prop_oneof![8 => Just("StringEquals"), 8 => Just("StringLike"), 4 => select(others)]
}

/// An operator, a key and its values.
fn condition(
    claim: &'static str,
    right: &'static str,
    wrong: Vec<&'static str>,
) -> impl Strategy<Value = (&'static str, String, Vec<&'static str>)> {
    let key = mostly(
        ISSUER,
        vec![
            "OIDC.example.com/PROD",
            "https://oidc.example.com/prod",
            "oidc.example.com/prod/",
            "oidc.example.com/test",
        ],
    );
    let values = prop_oneof![
        3 => Just(vec![right]),
        2 => select(wrong.clone()).prop_map(|value| vec![value]),
        2 => select(wrong).prop_map(move |value| vec![right, value]),
    ];
    (operator(), key, values)
        .prop_map(move |(operator, key, values)| (operator, format!("{key}:{claim}"), values))
}

fn conditions() -> impl Strategy<Value = Value> {
    let aud = || {
        condition(
            "aud",
            "sts.amazonaws.com",
            vec!["STS.amazonaws.com", "vault", "*", "sts*", "true", "false"],
        )
    };
    let sub = || {
        let wrong = vec![
            "system:serviceaccount:ab:*",
            "system:serviceaccount:*:ba",
            "system:serviceaccount:ab:b?",
            "system:serviceaccount:*:*",
            "system:serviceaccount:a*",
            "system:serviceaccount:*ba",
            "*",
            "*:ab:ba",
            "*:ba",
            "*:ab:*",
            "system:serviceaccount:AB:ba",
            "system:serviceaccount:cd:ba",
            "ab/ba",
            "true",
            "false",
        ];
        condition("sub", APP, wrong)
    };
    let (auds, subs) =
        (proptest::collection::vec(aud(), 0..=2), proptest::collection::vec(sub(), 0..=2));
    let healthy = (condition("aud", "sts.amazonaws.com", vec!["sts.amazonaws.com"]), sub());
    prop_oneof![
        2 => (auds, subs).prop_map(|(auds, subs)| [auds, subs].concat()),
        4 => healthy.prop_map(|(aud, sub)| vec![aud, sub]),
    ]
    .prop_flat_map(|all| (Just(all), proptest::option::weighted(0.3, context())))
    .prop_map(|(all, context)| {
        let mut conditions = json!({});
        for (operator, key, values) in all {
            conditions[operator][key] = json!(values);
        }
        if let Some((operator, key, value)) = context {
            conditions[operator][key] = json!(value);
        }
        conditions
    })
}

/// Conditions on what no request with a service-account token has.
fn context() -> impl Strategy<Value = (&'static str, &'static str, &'static str)> {
    let operators = select(vec![
        "StringEquals",
        "StringNotEquals",
        "StringEqualsIfExists",
        "ForAllValues:StringLike",
        "ForAnyValue:StringNotLike",
        "Bool",
        "BoolIfExists",
        "Null",
        "ArnNotLike",
        "ArnLike",
    ]);
    let keys = select(vec![
        "aws:SourceAccount",
        "aws:MultiFactorAuthPresent",
        "AWS:PrincipalOrgID",
        "aws:PrincipalTag/team",
        "sts:ExternalId",
        "oidc.example.com/prod:kubernetes.io/namespace",
        "oidc.example.com/prod:namespace",
    ]);
    (operators, keys, select(vec!["true", "false", "*"]))
}

fn statement(effect: &'static str) -> impl Strategy<Value = Value> {
    let principal = mostly(
        json!({"Federated": PROVIDER}),
        vec![
            json!({"Federated": [PROVIDER.replace("prod", "test"), PROVIDER.to_owned()]}),
            json!({"Federated": PROVIDER.replace("prod", "Prod")}),
            json!({"Federated": PROVIDER.replace("oidc.", "https://oidc.")}),
            json!({"Federated": PROVIDER.replace("1111", "2222")}),
            json!({"Federated": PROVIDER.replace("prod", "test")}),
            json!({"AWS": PROVIDER}),
            json!({"AWS": "*"}),
            json!("*"),
        ],
    );
    let action = mostly(
        json!("sts:AssumeRoleWithWebIdentity"),
        vec![
            json!("sts:assumerolewithWEBidentity"),
            json!("sts:*"),
            json!("sts:AssumeRole"),
            json!(["sts:TagSession"]),
        ],
    );
    (principal, action, conditions()).prop_map(move |(principal, action, conditions)| {
        json!({"Effect": effect, "Principal": principal, "Action": action, "Condition": conditions})
    })
}

/// JSON of a shape that is seldom right.
fn odd() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u8>().prop_map(Value::from),
        select(vec!["", "*", "Allow", "Deny", PROVIDER, APP, "arn:::::", "arn:aws:iam::x:y/"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        let names = vec![
            "Federated",
            "AWS",
            "StringEquals",
            "Null",
            "",
            "oidc.example.com/prod:aud",
            "oidc.example.com/prod:",
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            (select(names), inner).prop_map(|(name, value)| json!({name: value})),
        ]
    })
}

fn faulty_policy() -> impl Strategy<Value = Value> {
    let statements = prop_oneof![
        4 => statement("Allow").prop_map(|allow| vec![allow]),
        2 => (statement("Allow"), statement("Deny")).prop_map(|(allow, deny)| vec![allow, deny]),
    ];
    statements.prop_map(|statements| json!({"Version": "2012-10-17", "Statement": statements}))
}
