use napi::bindgen_prelude::{Buffer, Float64Array};
use napi_derive::napi;
use tracker::server::{Reply, Verdict};

use super::{NativeServer, socket_id};

/// An answer that JavaScript made; see `Reply` of the engine.
#[napi(object)]
pub struct NativeReply {
    pub status: Option<u16>,
    pub content_type: Option<String>,
    pub body: Option<Buffer>,
    /// WebSocket: a message, instead of `body`.
    pub text: Option<String>,
    /// WebSocket: who gets the offers, in their order; a negative number for nobody.
    pub offers_to: Option<Vec<f64>>,
    /// WebSocket: whether an answer is passed on.
    pub pass_on: Option<bool>,
}

#[napi]
impl NativeServer {
    /// Lets the engine answer these questions.
    #[napi(catch_unwind)]
    pub fn allow(&self, questions: Float64Array) {
        for &question in &*questions {
            self.desk.settle(number(question), Verdict::Allow);
        }
    }

    /// Gives the failure reason to whoever a question was about.
    #[napi(catch_unwind)]
    pub fn refuse(&self, question: f64, reason: String) {
        self.desk.settle(number(question), Verdict::Refuse(reason));
    }

    /// Gives the answer.
    #[napi(catch_unwind)]
    pub fn reply(&self, question: f64, reply: NativeReply) {
        let body = match (reply.text, reply.body) {
            (Some(text), _) => text.into_bytes(),
            (None, Some(body)) => body.to_vec(),
            (None, None) => Vec::new(),
        };
        let offers_to = reply.offers_to.unwrap_or_default();
        let offers_to = offers_to
            .into_iter()
            .map(|socket| (socket >= 0.0).then(|| socket_id(socket)))
            .collect();
        let reply = Reply {
            status: reply.status.unwrap_or(200),
            content_type: reply.content_type,
            body,
            offers_to,
            pass_on: reply.pass_on.unwrap_or_default(),
        };
        self.desk.settle(number(question), Verdict::Reply(reply));
    }
}

#[expect(clippy::cast_sign_loss, reason = "casts from f64 saturate")]
fn number(question: f64) -> u64 {
    question as u64
}
