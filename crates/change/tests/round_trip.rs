//! The text is made from what JSON has, and from nothing else.

use issuer_change::{
    Action, Change, ChangeSet, Field, Kind, Plain, Reason, Resource, Summary, Value, render,
};
use proptest::prelude::*;

fn values() -> impl Strategy<Value = Value> {
    let text = "[ -~\n]{0,12}";
    prop_oneof![
        any::<bool>().prop_map(Value::Flag),
        any::<u64>().prop_map(Value::Number),
        text.prop_map(Value::Text),
        prop::collection::vec(text, 0..3).prop_map(Value::List),
        prop::collection::btree_map("[a-zA-Z]{1,8}", "[ -~]{0,8}", 0..4).prop_map(|members| {
            let members = members.into_iter().map(|(name, text)| (name, text.into()));
            Value::Document(members.collect())
        }),
    ]
}

fn reasons() -> impl Strategy<Value = Option<Reason>> {
    prop_oneof![
        Just(None),
        Just(Some(Reason::Unchanged)),
        Just(Some(Reason::Unmanaged)),
        Just(Some(Reason::StillTrusted)),
    ]
}

fn fields() -> impl Strategy<Value = Field> {
    let value = || prop::option::of(values());
    let name = prop_oneof![
        Just("trust_policy"),
        Just("audiences"),
        Just("max_session_duration_secs"),
        Just("key"),
    ];
    (name, prop::option::of("[ -~]{0,50}"), value(), value(), reasons()).prop_map(
        |(name, item, before, after, reason)| {
            let mut field = Field::between(name, before, after);
            field.item = item;
            field.reason = reason;
            field
        },
    )
}

fn changes() -> impl Strategy<Value = Change> {
    let kind = prop_oneof![
        Just(Kind::Bucket),
        Just(Kind::Document),
        Just(Kind::OidcProvider),
        Just(Kind::Role),
        Just(Kind::ManagedPolicy),
    ];
    let action = prop_oneof![
        Just(Action::Create),
        Just(Action::Update),
        Just(Action::Delete),
        Just(Action::Keep),
    ];
    let name = "[ -~]{1,20}";
    (kind, name, name, action, prop::collection::vec(fields(), 0..4), reasons()).prop_map(
        |(kind, name, locator, action, fields, reason)| {
            let mut change = Change::new(Resource::new(kind, name, locator), action);
            change.fields = fields;
            change.reason = reason;
            change
        },
    )
}

proptest! {
    #[test]
    fn the_text_of_what_was_read_back_from_json_is_the_same_to_the_byte(
        changes in prop::collection::vec(changes(), 0..4)
    ) {
        let json = serde_json::to_string(&changes).unwrap();
        let read_back: Vec<Change> = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(render(&read_back, &Plain), render(&changes, &Plain));
        prop_assert_eq!(Summary::of(&read_back), Summary::of(&changes));
    }

    #[test]
    fn a_text_that_others_wrote_never_breaks_a_line(
        text in "\\PC{0,8}[\n\r\t\u{1b}]{0,2}\\PC{0,8}"
    ) {
        let change = Change::new(Resource::new(Kind::Role, "app", "app"), Action::Update)
            .with_field(Field::changed("audiences", text.as_str(), "b"));
        prop_assert_eq!(render(&[change], &Plain).lines().count(), 2);
    }
}

fn policy(effect: &str) -> Value {
    serde_json::json!({"Version": "2012-10-17", "Statement": [{"Sid": "A", "Effect": effect}]})
        .into()
}

#[test]
fn a_document_that_changes_is_shown_line_by_line() {
    let bucket = Resource::new(Kind::Bucket, "my-oidc", "my-oidc");
    let change = Change::new(bucket, Action::Update)
        .with_field(Field::changed("bucket_policy", policy("Deny"), policy("Allow")))
        .with_field(Field::kept("object_ownership", "BucketOwnerEnforced", Reason::Unchanged));
    assert_eq!(
        render(&[change], &Plain).lines().collect::<Vec<_>>(),
        [
            "~ bucket my-oidc",
            "    ~ bucket policy",
            "              {",
            "                \"Sid\": \"A\",",
            "        -       \"Effect\": \"Deny\"",
            "        +       \"Effect\": \"Allow\"",
            "              }",
            "            ]",
            "    = object ownership  BucketOwnerEnforced (unchanged)",
        ]
    );
}

#[test]
fn lists_show_what_comes_and_goes_and_what_is_kept_says_why() {
    let provider = Resource::new(Kind::OidcProvider, "oidc.example.com", "arn:x");
    let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
    let change = Change::new(provider, Action::Update)
        .with_field(Field::changed("audiences", list(&["a", "b"]), list(&["b", "c"])))
        .with_field(Field::kept("audiences", list(&["b"]), Reason::NotRequested))
        .with_field(Field::added("tag", "platform").of("team"));
    assert_eq!(
        render(&[change], &Plain),
        "~ OIDC provider oidc.example.com (arn:x)\n    ~ audiences\n        - a\n        + c\n    \
         = audiences   b (not requested, kept)\n    + tag \"team\"  platform\n"
    );
}

#[test]
fn an_update_of_nothing_but_tags_says_so() {
    let role = || Resource::new(Kind::Role, "a", "arn:x");
    let tag = || Field::added("tag", "1").of("issuerctl.dev/created");
    let kept = Field::kept("attached_policy", "arn:y", Reason::Unmanaged);
    let update = || Change::new(role(), Action::Update);
    let text = |change: Change| render(&[change], &Plain);
    assert!(text(update().with_field(tag())).starts_with("~ role a (arn:x): tags only\n"));
    assert!(
        text(update().with_field(tag()).with_field(kept)).starts_with("~ role a (arn:x): tags")
    );
    for more in [
        update().with_field(tag()).with_field(Field::changed("path", "/", "/x/")),
        Change::new(role(), Action::Create).with_field(tag()),
        Change::new(role(), Action::Delete).with_field(Field::removed("tag", "1")),
    ] {
        assert!(!text(more.clone()).contains("tags only"), "{}", text(more));
    }
}

#[test]
fn the_summary_counts_resources_and_not_lines() {
    let mut set = ChangeSet::default();
    let role = |name: &str| Resource::new(Kind::Role, name, name);
    set.push(
        Change::new(role("a"), Action::Create)
            .with_field(Field::added("tag", "1").of("x"))
            .with_field(Field::added("tag", "2").of("y")),
    );
    set.push(Change::new(role("b"), Action::Delete));
    set.push(Change::keep(role("c"), Reason::Unmanaged));
    // Shared by two issuers: the second one finds it as the first one made it.
    set.push(Change::keep(role("a"), Reason::Unchanged));
    assert_eq!(Summary::of(&set.changes), Summary { create: 1, update: 0, delete: 1, keep: 1 });
    assert_eq!(
        Summary::of(&set.changes).to_string(),
        "1 to create, 0 to update, 1 to delete, 1 to keep"
    );
    assert_eq!(Summary::default().to_string(), "no changes");
}

#[test]
fn a_painter_colours_lines_and_says_what_a_reason_means() {
    struct Painted;
    impl issuer_change::Painter for Painted {
        fn paint(&self, action: Action, line: &str) -> String {
            format!("<{}>{line}", action.sign())
        }
        fn advice(&self, kind: Kind, _: Option<&str>, reason: Reason) -> Option<String> {
            (kind == Kind::Role && reason == Reason::NotInFile)
                .then(|| "--prune deletes it".to_owned())
        }
    }
    let change = Change::keep(Resource::new(Kind::Role, "app", "app"), Reason::NotInFile);
    assert_eq!(
        render(&[change], &Painted),
        "<=>= role app (not in the file, kept; --prune deletes it)\n"
    );
}
