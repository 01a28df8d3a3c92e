//! `read-object BUCKET KEY`: reads an object with the default credential chain of the Rust SDK, as
//! a program in a pod would.

use std::io::Write;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let (bucket, key) = args.next().zip(args.next()).ok_or("usage: read-object BUCKET KEY")?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let config = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        let object =
            aws_sdk_s3::Client::from_conf(s3).get_object().bucket(bucket).key(key).send().await?;
        std::io::stdout().write_all(&object.body.collect().await?.into_bytes())?;
        Ok(())
    })
}
