//! What somebody else does during a run, and runs that are cut off.

use issuer_test_support::{Account, AccountRole};
use serde_json::json;

use crate::lab::{Issuer, Lab, SMALL, WHOLE, sids, theirs};

fn by_hand(sids: &[&str]) -> AccountRole {
    let statements: Vec<_> = sids.iter().map(|sid| theirs(sid)).collect();
    AccountRole::new(&json!({"Version": "2012-10-17", "Statement": statements}))
}

fn has_role(lab: &Lab) {
    lab.iam.change(|account| account.roles.insert("app".to_owned(), by_hand(&["Theirs"])));
    lab.issuers(&[Issuer::prod(SMALL)]);
}

fn trust(lab: &Lab) -> Vec<String> {
    sids(&lab.iam.account().roles["app"].trust_policy())
}

#[test]
fn a_statement_that_somebody_adds_after_the_plan_is_merged() {
    let lab = Lab::new();
    has_role(&lab);
    // The first one is the plan's, the second one is just before the write.
    lab.iam.before_nth("GetRole", 2, |account: &mut Account| {
        account.roles.get_mut("app").unwrap().add_trust_statement(theirs("Late"));
    });
    lab.apply(0);
    let sids = trust(&lab);
    assert_eq!((&sids[..2], sids.len()), (&["Theirs", "Late"].map(str::to_owned)[..], 3));
    lab.plan(0);
}

#[test]
fn a_statement_that_is_overwritten_is_written_again() {
    let lab = Lab::new();
    has_role(&lab);
    lab.iam.after("UpdateAssumeRolePolicy", |account: &mut Account| {
        account.roles.get_mut("app").unwrap().trust = by_hand(&["Theirs", "Late"]).trust;
    });
    lab.apply(0);
    let sids = trust(&lab);
    assert_eq!((&sids[..2], sids.len()), (&["Theirs", "Late"].map(str::to_owned)[..], 3));
    lab.plan(0);
}

#[test]
fn a_role_that_somebody_makes_meanwhile_is_theirs() {
    let lab = Lab::new();
    lab.issuers(&[Issuer::prod(SMALL)]);
    lab.iam.before("CreateRole", |account: &mut Account| {
        account.roles.insert("app".to_owned(), by_hand(&["Theirs"]));
    });
    let (_, err) = lab.apply(0);
    assert!(err.contains("changed by another writer, planned again"), "{err}");
    assert_eq!((trust(&lab)[0].as_str(), trust(&lab).len()), ("Theirs", 2));
    lab.plan(0);
    lab.run("delete -f issuer.yaml", 0);
    assert_eq!(trust(&lab), ["Theirs"]);
}

#[test]
fn an_apply_that_is_cut_off_anywhere_is_finished_by_the_next() {
    let lab = Lab::new();
    lab.issuers(&[Issuer::prod(WHOLE)]);
    let before = lab.iam.account();
    lab.apply(0);
    let (whole, writes) = (lab.everything(), lab.iam.writes().len());
    assert!(writes > 4, "{:?}", lab.iam.writes());
    for cut in 0..writes {
        lab.iam.change(|account| account.clone_from(&before));
        lab.iam.cut_after(cut);
        let (_, err) = lab.apply(1);
        assert!(err.contains("error: ") && err.contains(" failed"), "cut off after {cut}: {err}");
        lab.iam.heal();
        lab.apply(0);
        assert!(lab.everything() == whole, "cut off after {cut}: {:?}", lab.iam.account());
    }
    lab.iam.change(|account| account.clone_from(&before));
    lab.iam.cut_after(writes);
    lab.apply(0);
}

#[test]
fn a_deletion_that_is_cut_off_anywhere_is_finished_by_the_next() {
    let lab = Lab::new();
    lab.issuers(&[Issuer::prod(WHOLE)]);
    let before = lab.everything();
    lab.apply(0);
    let whole = lab.iam.account();
    lab.iam.clear_log();
    lab.run("delete -f issuer.yaml", 0);
    let writes = lab.iam.writes().len();
    assert!(writes > 4, "{:?}", lab.iam.writes());
    for cut in 0..writes {
        lab.apply(0);
        lab.iam.change(|account| account.clone_from(&whole));
        lab.iam.cut_after(cut);
        lab.run("delete -f issuer.yaml", 1);
        lab.iam.heal();
        lab.run("delete -f issuer.yaml", 0);
        assert!(lab.everything() == before, "cut off after {cut}: {:?}", lab.everything());
    }
}
