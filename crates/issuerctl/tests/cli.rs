//! The command line, by files in `tests/cmd`. `TRYCMD=overwrite cargo test -p issuerctl --test cli`
//! writes them anew; read the difference before you commit it.

#[test]
fn commands_print_and_end_as_their_files_say() {
    trycmd::TestCases::new().env("NO_COLOR", "1").env("COLUMNS", "110").case("tests/cmd/*.trycmd");
}
