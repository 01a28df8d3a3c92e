//! The body of an answer: of limited size, within a limited time, and with the name of the host as long as it
//! is not complete.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_types::body::{Error as BodyError, SdkBody};
use http_body::{Body, Frame, SizeHint};
use issuer_diagnostic::Waiting;
use tokio::time::{Sleep, sleep};

/// The largest answer that is expected: a page of 1,000 roles with their trust policies has a few
/// MiB.
const MAX_BYTES: usize = 64 << 20;

/// The time limit for a body, of which the SDK has none: the largest page of roles has a few MiB.
const LONGEST: Duration = Duration::from_secs(15);

struct Bounded {
    inner: SdkBody,
    left: usize,
    ends: Pin<Box<Sleep>>,
    host: String,
    _waiting: Waiting,
}

/// The same body, which fails when it becomes too large or takes too long.
pub(crate) fn bounded(inner: SdkBody, host: String, waiting: Waiting) -> SdkBody {
    let ends = Box::pin(sleep(LONGEST));
    SdkBody::from_body_1_x(Bounded { inner, left: MAX_BYTES, ends, host, _waiting: waiting })
}

impl Body for Bounded {
    type Data = <SdkBody as Body>::Data;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BodyError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if !matches!(polled, Poll::Ready(None)) && self.ends.as_mut().poll(context).is_ready() {
            let secs = LONGEST.as_secs();
            let text = format!("the answer of {} was not complete within {secs} s", self.host);
            return Poll::Ready(Some(Err(text.into())));
        }
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let size = frame.data_ref().map_or(0, bytes_of);
            match self.left.checked_sub(size) {
                Some(left) => self.left = left,
                None => {
                    let mebibytes = MAX_BYTES >> 20;
                    let text =
                        format!("the answer of {} is larger than {mebibytes} MiB", self.host);
                    return Poll::Ready(Some(Err(text.into())));
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        Body::is_end_stream(&self.inner)
    }

    fn size_hint(&self) -> SizeHint {
        Body::size_hint(&self.inner)
    }
}

fn bytes_of(data: &impl AsRef<[u8]>) -> usize {
    data.as_ref().len()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn an_answer_without_an_end_is_not_read_into_memory() {
        let waiting = || Waiting::new("iam.amazonaws.com".to_owned());
        let body = |bytes: usize| {
            bounded(SdkBody::from(vec![b' '; bytes]), "iam.amazonaws.com".to_owned(), waiting())
        };
        let error = body(MAX_BYTES + 1).collect().await.map(drop).unwrap_err();
        assert!(error.to_string().contains("iam.amazonaws.com is larger than 64 MiB"), "{error}");
        assert_eq!(body(5).collect().await.unwrap().to_bytes().len(), 5);
    }

    /// One byte in each second, without an end.
    struct Drip(Pin<Box<Sleep>>);

    impl Body for Drip {
        type Data = <SdkBody as Body>::Data;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Self::Data>, BodyError>>> {
            std::task::ready!(self.0.as_mut().poll(context));
            self.0 = Box::pin(sleep(Duration::from_secs(1)));
            Poll::Ready(Some(Ok(Frame::data(b" ".to_vec().into()))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_comes_byte_by_byte_has_a_time_limit() {
        let drip = SdkBody::from_body_1_x(Drip(Box::pin(sleep(Duration::ZERO))));
        let host = "s3.amazonaws.com";
        let body = bounded(drip, host.to_owned(), Waiting::new(host.to_owned()));
        let error = body.collect().await.map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("was not complete within 15 s"), "{error}");
    }
}
