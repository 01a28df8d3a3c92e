//! Stands in for a released program where the files around it are tested: it takes seconds to build, and answers what release/build asks.

use std::{env, fs, process};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--version"] => println!("{} {}", env!("PROGRAM"), env!("VERSION")),
        ["man", "--out-dir", folder] => {
            fs::create_dir_all(folder).unwrap();
            fs::write(format!("{folder}/issuerctl.1"), ".TH issuerctl 1\n").unwrap();
        }
        ["completions", shell] => println!("# completions of {shell}"),
        _ => {
            // The arguments as they arrived, one a line.
            words.iter().for_each(|word| println!("[{word}]"));
            process::exit(if words.contains(&"fails") { 5 } else { 0 });
        }
    }
}
