'use strict'

const { encode } = require('./bencode')
const { httpParams } = require('./params')
const { ACTIONS, dictionary, emitAnnounce, emitRefused } = require('./requests')
const { statsResponse } = require('./stats')

/**
 * Answers an HTTP request that Node has read: `onHttpRequest(req, res, { action, trustProxy })`.
 */
exports.onHttpRequest = function onHttpRequest (req, res, opts = {}) {
  const server = this
  if (server.destroyed) return res.end()
  const { native } = server._engine
  const parsed = native.parseHttp(requestHead(req, opts))
  if (parsed.stats !== undefined) {
    return statsResponse(server, parsed.stats, ({ contentType, body }) => {
      res.setHeader('content-type', contentType)
      res.end(body)
    })
  }
  if (parsed.failure !== undefined) {
    res.setHeader('content-type', 'text/plain')
    res.end(encode({ 'failure reason': parsed.failure }))
    const { remoteAddress, remotePort } = req.socket
    return native.warn(parsed.code, parsed.failure, remoteAddress, remotePort)
  }
  const params = paramsOf(server, req, parsed)
  params.httpReq = req
  params.httpRes = res
  server._onRequest(params, (err, response) => {
    const body = httpBody(server, params, err, response)
    if (!res.headersSent) {
      if (!res.hasHeader('content-type')) res.setHeader('content-type', 'text/plain')
      res.end(body)
    }
    afterAnswer(server, params, err)
  })
}

/** Answers a request that the engine has read, by way of `_onRequest`. */
exports.answerHttp = function answerHttp (server, question, params) {
  server._onRequest(params, (err, response) => {
    server._engine.native.reply(question, { body: httpBody(server, params, err, response) })
    afterAnswer(server, params, err)
  })
}

/** The `params` of a scrape. */
exports.scrapeParams = function scrapeParams (infoHashes) {
  return { type: 'http', action: ACTIONS.SCRAPE, info_hash: infoHashes.length === 0 ? undefined : infoHashes }
}

function afterAnswer (server, params, err) {
  if (err) emitRefused(server, err)
  else if (params.action === ACTIONS.ANNOUNCE) emitAnnounce(server, params)
}

function httpBody (server, params, err, response) {
  if (err) return encode({ 'failure reason': err.message ?? 'refused' })
  const { action, ...rest } = response
  if (rest.files !== undefined) rest.files = new Map(Object.entries(rest.files))
  if (action === ACTIONS.ANNOUNCE) {
    for (const [key, value] of Object.entries(server._engine.announceExtras(params))) rest[key] ??= value
    // With a `compact` that is neither 0 nor 1 they are still what programs know.
    if (Array.isArray(rest.peers)) {
      rest.peers = rest.peers.map(peer => typeof peer?.peerId === 'string' ? dictionary(peer) : peer)
    }
    if (params.compact !== 1 && params.no_peer_id === '1' && Array.isArray(rest.peers)) {
      rest.peers = rest.peers.map(({ 'peer id': _, ...peer }) => peer)
    }
  }
  return encode(rest)
}

function requestHead (req, { action, trustProxy }) {
  const forwarded = req.headers['x-forwarded-for']
  return {
    url: req.url,
    remoteAddress: req.socket.remoteAddress ?? '0.0.0.0',
    remotePort: req.socket.remotePort ?? 0,
    forwarded: typeof forwarded === 'string' ? forwarded : undefined,
    action,
    trustProxy: trustProxy === undefined ? undefined : Boolean(trustProxy),
    isGet: req.method === 'GET',
    wantsJson: req.headers.accept === 'application/json'
  }
}

function paramsOf (server, req, { addr, ip, infoHashes }) {
  if (infoHashes !== undefined) return exports.scrapeParams(infoHashes)
  const { remoteAddress, remotePort } = req.socket
  const request = { method: req.method, url: req.url, headers: req.headers, remoteAddress, remotePort, ip }
  return httpParams(addr, request, server._engine.maxNumwant)
}
