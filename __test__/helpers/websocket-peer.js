'use strict'

// A WebTorrent peer as far as the tracker sees one: npm `ws` with the tracker's messages on top.

const { once } = require('node:events')
const { setImmediate: turn } = require('node:timers/promises')
const WebSocket = require('ws')
const { httpPort, randomHex } = require('./subjects')

/** Twenty bytes as the protocol writes them in JSON: as many code points. */
const binary = hex => Buffer.from(hex, 'hex').toString('latin1')
const hexOf = text => Buffer.from(text, 'latin1').toString('hex')

const wsUrl = (server, path = '/', host = '127.0.0.1') => `ws://${host}:${httpPort(server)}${path}`

/** An announce message; ids in hex. */
function announce ({ infoHash, peerId, toPeerId, ...rest }) {
  return {
    action: 'announce',
    info_hash: binary(infoHash),
    peer_id: binary(peerId),
    ...(toPeerId === undefined ? {} : { to_peer_id: binary(toPeerId) }),
    ...rest
  }
}

let offersMade = 0

/** `count` offers that differ from all others. */
function makeOffers (count) {
  return Array.from({ length: count }, () => {
    const name = `offer ${offersMade++}`
    return { offer: { type: 'offer', sdp: name }, offer_id: name }
  })
}

class WsPeer {
  /** Connects to a server of ours. `options` are those of `ws`, with `path` and `host`. */
  static async open (t, server, { peerId = randomHex(), path, host, ...options } = {}) {
    const socket = new WebSocket(wsUrl(server, path, host), { perMessageDeflate: false, ...options })
    const peer = new WsPeer(socket, peerId)
    t.after(() => socket.terminate())
    await once(socket, 'open')
    return peer
  }

  constructor (socket, peerId) {
    this.socket = socket
    this.peerId = peerId
    this.received = []
    this.waiting = []
    this.texts = []
    /** Resolves with the close frame's code when the connection has ended. */
    this.closed = new Promise(resolve => socket.once('close', code => {
      for (const { reject } of this.waiting.splice(0)) reject(new Error(`closed (${code}) where a message was expected`))
      resolve(code)
    }))
    socket.on('error', () => {})
    socket.on('message', data => {
      const text = data.toString()
      const message = JSON.parse(text)
      this.texts.push(text)
      const waiter = this.waiting.shift()
      if (waiter) waiter.resolve(message)
      else this.received.push(message)
    })
  }

  send (message) {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  /** The next message. */
  next () {
    if (this.received.length > 0) return Promise.resolve(this.received.shift())
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }))
  }

  /** Sends a message and resolves with the next that comes in. */
  ask (message) {
    this.send(message)
    return this.next()
  }

  /** Announces as this peer; resolves with the reply, which is expected to be the next message. */
  announce (params) {
    return this.ask(announce({ peerId: this.peerId, left: 1, ...params }))
  }

  /** Joins the torrent's swarm. */
  join (infoHash, params) {
    return this.announce({ infoHash, event: 'started', ...params })
  }

  /** Answers an offer message; there is no reply to that. */
  answer (offer, answer = { type: 'answer', sdp: `answer to ${offer.offer_id}` }, params = {}) {
    this.send({
      action: 'announce',
      info_hash: offer.info_hash,
      peer_id: binary(this.peerId),
      to_peer_id: offer.peer_id,
      offer_id: offer.offer_id,
      answer,
      ...params
    })
    return answer
  }

  /** Everything that has come once the tracker has handled all that this peer has sent so far. */
  async settle () {
    const mark = binary(randomHex())
    this.send({ action: 'scrape', info_hash: mark })
    const before = []
    for (;;) {
      const message = await this.next()
      if (message.action === 'scrape' && Object.hasOwn(message.files, mark)) return before
      before.push(message)
    }
  }

  close () {
    this.socket.close()
    return this.closed
  }
}

/** What each peer has got once the tracker has handled all that any of them has sent. */
async function settleAll (peers) {
  // One could have sent something to another that was asked first, so all are through before the second look.
  const first = await Promise.all(peers.map(peer => peer.settle()))
  const second = await Promise.all(peers.map(peer => peer.settle()))
  return first.map((messages, index) => [...messages, ...second[index]])
}

/** Seeders and leechers of a torrent. */
function counts (server, infoHash) {
  const swarm = server.torrents[infoHash]
  return swarm === undefined ? [0, 0] : [swarm.complete, swarm.incomplete]
}

/** Waits until a swarm has so many peers: the tracker sees a socket close a little after its end does. */
async function untilCount (server, infoHash, count) {
  while (counts(server, infoHash).reduce((a, b) => a + b) !== count) await turn()
}

module.exports = { WsPeer, announce, binary, counts, hexOf, makeOffers, settleAll, untilCount, wsUrl }
