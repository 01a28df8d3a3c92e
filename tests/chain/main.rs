//! The whole chain against the real parts: `cargo test -p issuerctl-e2e --features real-servers`.
//!
//! One trial per scenario; the tables at the end show what the run measured.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints its figures"
)]

mod admin;
mod bootstrap;
mod chart;
mod cluster_objects;
mod controller;
mod controller_credentials;
mod controller_deletion;
mod controller_guards;
mod controller_reports;
mod controller_roles;
mod controller_rotation;
mod controller_world;
mod distribution;
mod doctor;
mod examples;
mod figures;
mod fleet;
mod issuer_change;
mod least_privilege;
mod one_command;
mod operator;
mod packagers;
mod pods;
mod private_store;
mod provider;
mod readers;
mod render;
mod role;
mod rollback;
mod rotate;
mod rotation;
mod second_store;
mod shared;
mod sync;
mod verdict;
mod whole;
mod workload;

use std::process::ExitCode;

use issuerctl_e2e::{NEWEST, OLDEST, build_programs};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let listing = arguments.list;
    let mut trials = Vec::new();
    for version in [OLDEST, NEWEST] {
        let mut add = |name: &str, scenario: fn(&str)| {
            trials.push(trial(format!("kubernetes {version}: {name}"), move || scenario(version)));
        };
        add("operator_reads_one_secret_and_a_pod_reads_an_object", operator::run);
        add("operator_applies_one_file_and_a_pod_reads_an_object", one_command::run);
        add("one_command_gives_a_pod_its_role_and_delete_leaves_nothing", workload::policy);
        add("printed_roles_are_all_that_a_run_needs_in_its_cluster", workload::least_privilege);
        add("admin_starts_the_api_server_with_several_keys_at_once", admin::several_keys);
        add("bootstrap_job_writes_nothing_the_second_time", bootstrap::run);
        add("controller_keeps_an_issuer_as_its_object_declares", controller::run);
        add("kubeadm_passes_on_the_issuers_and_a_kept_token_is_accepted", distribution::run);
        add("cluster_moves_to_another_issuer_step_by_step", issuer_change::run);
        add("rotation_keeps_every_live_token_working", rotation::run);
        add("sync_follows_a_rotation_under_load_and_a_changed_secret", sync::run);
        add("sync_follows_an_external_signer_without_a_restart", sync::external_signer);
        add("api_server_reads_the_published_issuer_as_a_relying_party", readers::api_server);
        add("roles_in_the_docs_are_sufficient_and_each_rule_is_required", least_privilege::run);
        add("policy_mutates_every_pod_as_the_webhook_does", pods::policy);
        add("policy_with_literals_mutates_pods_as_the_webhook_does", pods::literals);
        add("doctor_names_each_fault_and_writes_nothing", doctor::run);
        for algorithm in admin::ALGORITHMS {
            let name = format!(
                "kubernetes {version}: admin_starts_the_api_server_with_a_new_{algorithm}_key"
            );
            trials.push(trial(name, move || admin::one_key(version, algorithm)));
        }
    }
    trials.push(trial("verdict_agrees_with_a_real_sts".to_owned(), verdict::run));
    trials.push(trial("pyjwt_accepts_a_published_token".to_owned(), readers::pyjwt));
    trials.push(trial("provider_is_created_adopted_and_deleted".to_owned(), provider::run));
    trials.push(trial(
        "a_mistaken_publish_is_rolled_back_with_and_without_versioning".to_owned(),
        rollback::run,
    ));
    trials.push(trial("role_is_created_merged_reconciled_and_deleted".to_owned(), role::run));
    trials.push(trial("file_is_planned_applied_reconciled_and_deleted".to_owned(), whole::run));
    trials.push(trial(
        "issuers_that_share_a_bucket_and_a_role_keep_their_own".to_owned(),
        shared::run,
    ));
    trials.push(trial(
        "file_is_applied_with_the_printed_policy_alone".to_owned(),
        whole::least_privilege,
    ));
    trials.push(trial(
        "examples_fit_the_schema_and_are_planned_and_applied".to_owned(),
        examples::run,
    ));
    trials.push(trial(
        "cloudformation_creates_what_apply_creates_and_terraform_imports_it".to_owned(),
        render::run,
    ));
    trials.push(trial("bucket_is_configured_as_the_docs_describe".to_owned(), readers::bucket));
    trials.push(trial("printed_webhook_runs_with_its_own_certificate".to_owned(), pods::webhook));
    trials.push(trial(
        "one_command_installs_the_webhook_and_takes_it_back".to_owned(),
        workload::webhook,
    ));
    trials.push(trial(
        "printed_roles_are_all_that_the_webhook_needs".to_owned(),
        workload::least_privilege_with_webhook,
    ));
    trials.push(trial("objects_of_cluster_api_and_eks_anywhere_fit_their_crds".to_owned(), || {
        cluster_objects::crds(NEWEST);
    }));
    trials.push(trial("private_store_is_an_issuer_behind_its_front".to_owned(), || {
        private_store::run(NEWEST);
    }));
    for (name, scenario) in [
        ("publishes_and_is_verified", second_store::publishes as fn()),
        ("loses_no_key_in_a_race", second_store::races),
        ("is_left_as_it_was", second_store::deletes),
        ("loses_no_key_when_the_network_fails", second_store::faults),
        ("has_providers_and_roles", second_store::account),
    ] {
        trials.push(trial(format!("second store: {name}"), scenario));
    }
    trials.push(trial("objects_of_cert_manager_fit_their_crds_and_each_other".to_owned(), || {
        cluster_objects::cert_manager(NEWEST);
    }));
    trials.push(trial(
        "rotation_by_its_printed_commands_fails_no_reader_of_two_api_servers".to_owned(),
        || rotate::run(NEWEST),
    ));
    trials.push(trial("talos_reads_the_changed_configuration".to_owned(), cluster_objects::talos));
    trials.push(trial(
        "every_verb_that_apply_prints_is_required".to_owned(),
        workload::every_printed_verb_is_required,
    ));
    for (name, scenario) in [
        ("chart_renders_what_its_values_ask_for_and_refuses_others", chart::renders as fn()),
        ("chart_is_installed_upgraded_and_uninstalled", chart::installs),
        ("controller_refuses_objects_with_the_field_and_the_fix", controller::refused),
        ("controller_gives_the_pods_of_its_own_cluster_their_roles", controller::workload),
        ("controller_survives_outages_and_a_killed_leader", controller::outages),
        ("controller_publishes_a_key_while_iam_is_gone", controller::without_iam),
        ("controllers_and_the_command_line_lose_no_key", controller::together),
        ("controller_gives_no_object_what_is_anothers", controller_guards::claims),
        ("controller_keeps_a_role_for_the_object_that_was_applied_to_it", controller_roles::run),
        ("controller_deletes_nothing_that_it_did_not_apply", controller_guards::foreign),
        (
            "controller_deletes_all_that_an_object_was_applied_to_and_no_more",
            controller_deletion::run,
        ),
        ("controller_repairs_and_verifies_whatever_else_fails", controller_guards::repairs),
        ("controller_refuses_a_workload_before_it_changes_anything", controller_guards::workload),
        (
            "controller_refuses_a_namespace_before_it_changes_anything",
            controller_guards::namespaces,
        ),
        (
            "controller_writes_nothing_of_an_object_whose_policy_does_not_exist",
            controller_guards::policies,
        ),
        ("controller_creates_no_distribution_of_a_refused_object", controller_guards::cloudfront),
        (
            "controller_that_was_stopped_writes_nothing_after_another_one_leads",
            controller_guards::stopped,
        ),
        ("controller_is_ready_when_it_has_listed_the_objects", controller_guards::readiness),
        (
            "controller_says_that_aws_refuses_its_credentials_and_recovers",
            controller_credentials::refused,
        ),
        ("controller_publishes_the_issuer_of_its_own_token", controller_credentials::fallback),
        ("controller_tells_each_warning_once", controller_reports::warnings),
        ("controller_writes_again_what_it_could_not_write", controller_reports::again),
        ("controller_says_what_is_true_of_what_it_only_reports", controller_reports::report_only),
        ("controller_says_once_what_it_cannot_repair", controller_reports::not_repairable),
        ("controller_waits_for_no_distribution", controller_reports::deploying),
        (
            "controller_follows_a_rotation_of_its_api_server_and_no_exchange_fails",
            controller_rotation::run,
        ),
    ] {
        trials.push(trial(name.to_owned(), scenario));
    }
    trials.push(
        trial("controller_of_two_thousand_issuers".to_owned(), controller::scale)
            .with_ignored_flag(true),
    );
    trials.push(trial("inject_runs_within_kustomize".to_owned(), packagers::kustomize));
    trials.push(trial("inject_runs_within_helm".to_owned(), packagers::helm));
    trials.push(trial("policy_is_as_fast_as_the_webhook".to_owned(), pods::latency));
    trials.push(
        trial("fleet_beside_a_loop_of_writes_and_aws_s3_sync".to_owned(), fleet::run)
            .with_ignored_flag(true),
    );
    if !listing {
        build_programs();
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !listing {
        println!("{}", figures::table());
    }
    conclusion.exit_code()
}

fn trial(name: String, scenario: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || -> Result<(), Failed> {
        scenario();
        Ok(())
    })
}
