//! The HTTP transport (BEP 3, 7, 23, 24, 31, 48).

mod carried;
mod fetch;
mod pool;
mod read;

use std::sync::Arc;

use reqwest::Url;

pub use self::carried::{CarriedHttp, MAX_BODY, MAX_REDIRECTS};
use self::{fetch::Fetcher, pool::Pool};
use super::{
    error::ClientError,
    os_error::Cause,
    reply::{AnnounceReply, ScrapeReply},
    request::{AnnounceParams, ClientConfig, TrackerRequest},
    resolve::{Family, Resolver},
    slots::Slots,
};
use crate::{
    protocol::http::{append_escaped, append_query, scrape_url},
    types::InfoHash,
};

/// Hashes in one scrape: a request line of about 4 KiB. Many servers refuse 8 KiB.
const MAX_SCRAPE_HASHES: usize = 60;

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
        params: &AnnounceParams,
        families: &[Family],
    ) -> Result<AnnounceReply, ClientError> {
        let url = announce_url(request, params);
        let body = self.get(request, &url, families).await?;
        read::announce(&body, request)
    }

    /// As many requests as it takes, one after the other.
    pub(super) async fn scrape(
        &self,
        request: &TrackerRequest,
        info_hashes: &[InfoHash],
        families: &[Family],
    ) -> Result<ScrapeReply, ClientError> {
        let mut whole = ScrapeReply::default();
        for url in scrape_urls(request, info_hashes)? {
            let body = self.get(request, &url, families).await?;
            add(&mut whole, read::scrape(&body, request)?);
        }
        if whole.rows.is_empty() {
            return Err(ClientError::InvalidScrape);
        }
        Ok(whole)
    }

    /// One exchange, in its turn and within its time.
    async fn get(
        &self,
        request: &TrackerRequest,
        url: &str,
        families: &[Family],
    ) -> Result<Vec<u8>, ClientError> {
        let url =
            Url::parse(url).map_err(|error| ClientError::Fetch(Cause::text(error.to_string())))?;
        let _turn = self.turns.acquire(url.authority()).await;
        let get = self.fetcher.get(request, url, families);
        tokio::time::timeout(request.timeout, get)
            .await
            .unwrap_or(Err(ClientError::HttpTimeout))
    }
}

fn announce_url(request: &TrackerRequest, params: &AnnounceParams) -> String {
    append_escaped(request.url.as_str(), &params.query)
}

fn scrape_urls(
    request: &TrackerRequest,
    info_hashes: &[InfoHash],
) -> Result<Vec<String>, ClientError> {
    let scrape_url =
        scrape_url(request.url.as_str()).ok_or_else(|| ClientError::ScrapeNotSupported {
            url: request.url.as_str().to_owned(),
        })?;
    let urls = parts(info_hashes).map(|part| {
        let query = part.iter().map(|hash| (&b"info_hash"[..], &hash.0[..]));
        append_query(&scrape_url, query)
    });
    Ok(urls.collect())
}

fn add(whole: &mut ScrapeReply, part: ScrapeReply) {
    whole.rows.extend(part.rows);
    whole.min_request_interval = part.min_request_interval;
    whole.warning_message = whole.warning_message.take().or(part.warning_message);
}

/// No hashes at all is one request too: a full scrape.
fn parts(info_hashes: &[InfoHash]) -> impl Iterator<Item = &[InfoHash]> {
    let full = info_hashes.is_empty().then_some(info_hashes);
    full.into_iter()
        .chain(info_hashes.chunks(MAX_SCRAPE_HASHES))
}
