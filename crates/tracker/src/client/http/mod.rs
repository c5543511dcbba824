//! The HTTP transport (BEP 3, 7, 23, 24, 31, 48).

mod fetch;
mod pool;

use std::sync::Arc;

use reqwest::Url;

use self::{fetch::Fetcher, pool::Pool};
use super::{
    error::ClientError,
    reply::{AnnounceReply, ScrapeReply},
    request::{AnnounceParams, ClientConfig, TrackerRequest},
    resolve::{Family, Resolver},
    slots::Slots,
};
use crate::types::InfoHash;

/// Requests to HTTP trackers.
pub(super) struct HttpTransport {
    turns: Slots,
    fetcher: Fetcher,
}

impl HttpTransport {
    pub(super) fn new(resolver: Arc<Resolver>, config: Arc<ClientConfig>) -> Self {
        Self {
            turns: Slots::new(config.http_total, config.http_per_host),
            fetcher: Fetcher {
                pool: Pool::new(Arc::clone(&resolver), Arc::clone(&config)),
                resolver,
                config,
            },
        }
    }

    pub(super) async fn announce(
        &self,
        request: &TrackerRequest,
        url: &Url,
        params: &AnnounceParams,
        families: &[Family],
    ) -> Result<AnnounceReply, ClientError> {
        let _body = self.get(request, url, families).await?;
        let _ = params;
        Err(ClientError::Aborted)
    }

    pub(super) async fn scrape(
        &self,
        request: &TrackerRequest,
        url: &Url,
        info_hashes: &[InfoHash],
        families: &[Family],
    ) -> Result<ScrapeReply, ClientError> {
        let _body = self.get(request, url, families).await?;
        let _ = info_hashes;
        Err(ClientError::Aborted)
    }

    /// One exchange, in its turn and within its time.
    async fn get(
        &self,
        request: &TrackerRequest,
        url: &Url,
        families: &[Family],
    ) -> Result<Vec<u8>, ClientError> {
        let host = url.authority();
        let _turn = self.turns.acquire(host).await;
        let get = self.fetcher.get(request, url.clone(), families);
        tokio::time::timeout(request.timeout, get)
            .await
            .unwrap_or(Err(ClientError::HttpTimeout))
    }
}
