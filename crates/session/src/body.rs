//! The body of an answer: of limited size, and with the name of the host as long as it is not
//! complete.

use std::pin::Pin;
use std::task::{Context, Poll};

use aws_smithy_types::body::{Error as BodyError, SdkBody};
use http_body::{Body, Frame, SizeHint};
use issuer_diagnostic::Waiting;

/// The largest answer that is expected: a page of 1,000 roles with their trust policies has a few
/// MiB.
const MAX_BYTES: usize = 64 << 20;

struct Bounded {
    inner: SdkBody,
    left: usize,
    host: String,
    _waiting: Waiting,
}

/// The same body, which fails when it becomes too large.
pub(crate) fn bounded(inner: SdkBody, host: String, waiting: Waiting) -> SdkBody {
    SdkBody::from_body_1_x(Bounded { inner, left: MAX_BYTES, host, _waiting: waiting })
}

impl Body for Bounded {
    type Data = <SdkBody as Body>::Data;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BodyError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
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
}
