'use strict'

const { askFilter } = require('./filter')
const { answerHttp, scrapeParams: httpScrape } = require('./http-requests')
const { answerUdp, scrapeParams: udpScrape, scrapedHashes } = require('./udp-requests')
const { answerWebSocket, scrapeParams: webSocketScrape } = require('./websocket-requests')
const { statsResponse } = require('./stats')

/**
 * What the engine asks about requests that it has read, and the verdicts, which go back in batches.
 */
class Questions {
  #server
  #engine
  #allowed = []

  constructor (server, engine) {
    this.#server = new WeakRef(server)
    this.#engine = engine
  }

  /** An announce: is it allowed, or what is the answer? */
  onQuestion (id, params) {
    const server = this.#server.deref()
    if (server === undefined) return
    if (server._usesJavaScript || this.#engine.isWatched(params.info_hash)) return this.#answer(server, id, params)
    if (!server._filter) return this.#allow(id)
    askFilter(server, params, err => {
      if (err === null) return this.#allow(id)
      this.#engine.native.refuse(id, String(err.message ?? 'disallowed info_hash'))
      server._drainSoon()
      if (!server.destroyed) server.emit('warning', err)
    })
  }

  /** A scrape, or the statistics. */
  onInquiry (id, what, { packet, request, message, socket }, { address, port }) {
    const server = this.#server.deref()
    if (server === undefined) return
    if (what !== 'scrape') {
      return statsResponse(server, what, reply => this.#engine.native.reply(id, reply))
    }
    if (packet !== undefined) return answerUdp(server, id, udpScrape(packet, scrapedHashes(packet)))
    if (message !== undefined) return answerWebSocket(server, id, webSocketScrape(message, socket))
    const { infoHashes } = this.#engine.native.parseHttp({
      url: request.url, remoteAddress: address, remotePort: port, isGet: true, wantsJson: false
    })
    answerHttp(server, id, { ...httpScrape(infoHashes ?? []), httpReq: request })
  }

  #answer (server, id, params) {
    if (params.type === 'udp') answerUdp(server, id, params)
    else if (params.type === 'ws') answerWebSocket(server, id, params)
    else answerHttp(server, id, params)
  }

  // Most filters answer at once, hundreds in one turn.
  #allow (id) {
    this.#allowed.push(id)
    if (this.#allowed.length === 1) queueMicrotask(() => this.#settle())
  }

  #settle () {
    const allowed = Float64Array.from(this.#allowed)
    this.#allowed = []
    this.#engine.native.allow(allowed)
    this.#server.deref()?._drainSoon()
  }
}

module.exports = Questions
