'use strict'

const crypto = require('node:crypto')
const dgram = require('node:dgram')
const { once } = require('node:events')
const { fromCompact } = require('./compact')

const MAGIC = Buffer.from('0000041727101980', 'hex')
const EVENTS = { update: 0, completed: 1, started: 2, stopped: 3, paused: 4 }

/** A BEP 15 client that does no more than it is told, for good and bad packets alike. */
class UdpPeer {
  static async open (t, port, host = '127.0.0.1') {
    const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4')
    t.after(() => new Promise(resolve => socket.close(resolve)))
    socket.connect(port, host)
    await once(socket, 'connect')
    return new UdpPeer(socket)
  }

  constructor (socket) {
    this.socket = socket
    this.family = socket.address().family === 'IPv6' ? 6 : 4
    this.received = []
    this.waiting = []
    // A port that nobody listens on answers by ICMP; tests that care wait for a packet instead.
    socket.on('error', () => {})
    socket.on('message', message => {
      const waiter = this.waiting.shift()
      if (waiter) waiter(message)
      else this.received.push(message)
    })
  }

  get port () {
    return this.socket.address().port
  }

  send (packet) {
    this.socket.send(packet)
  }

  receive () {
    if (this.received.length > 0) return Promise.resolve(this.received.shift())
    return new Promise(resolve => this.waiting.push(resolve))
  }

  async exchange (packet) {
    this.send(packet)
    return this.receive()
  }

  async connect () {
    const transactionId = crypto.randomBytes(4)
    const reply = await this.exchange(connectRequest(transactionId))
    if (reply.readUInt32BE(0) !== 0 || !reply.subarray(4, 8).equals(transactionId)) {
      throw new Error(`no connect response: ${reply.toString('hex')}`)
    }
    this.connectionId = reply.subarray(8, 16)
    return this.connectionId
  }

  /** True when `packet` got no answer: a connect sent right after it on the same socket is answered first. */
  async isIgnored (packet) {
    const transactionId = crypto.randomBytes(4)
    this.send(packet)
    const reply = await this.exchange(connectRequest(transactionId))
    return reply.readUInt32BE(0) === 0 && reply.subarray(4, 8).equals(transactionId)
  }

  /** True when `packet` got an error packet or no answer. */
  async isRefused (packet) {
    const transactionId = crypto.randomBytes(4)
    this.send(packet)
    this.send(connectRequest(transactionId))
    for (;;) {
      const reply = await this.receive()
      if (reply.readUInt32BE(0) === 0) return reply.subarray(4, 8).equals(transactionId)
      if (reply.readUInt32BE(0) !== 3) return false
    }
  }

  async announce (params) {
    if (!this.connectionId) await this.connect()
    const { connectionId } = this
    return decodeReply(await this.exchange(announceRequest({ connectionId, ...params })), this.family)
  }

  async scrape (...hashes) {
    if (!this.connectionId) await this.connect()
    return decodeReply(await this.exchange(scrapeRequest({ connectionId: this.connectionId, hashes })), this.family)
  }
}

function connectRequest (transactionId = crypto.randomBytes(4)) {
  return Buffer.concat([MAGIC, uint32(0), transactionId])
}

function announceRequest ({
  connectionId, transactionId = crypto.randomBytes(4), infoHash, peerId, downloaded = 0, left = 16384, uploaded = 0,
  event = 'update', ip = 0, key = 0, numwant = -1, port = 6881, options = Buffer.alloc(0)
}) {
  return Buffer.concat([
    connectionId, uint32(1), transactionId, Buffer.from(infoHash, 'hex'), Buffer.from(peerId, 'hex'),
    uint64(downloaded), uint64(left), uint64(uploaded), uint32(EVENTS[event] ?? event), uint32(ip), uint32(key),
    uint32(numwant), uint32(port).subarray(2), options
  ])
}

function scrapeRequest ({ connectionId, transactionId = crypto.randomBytes(4), hashes }) {
  return Buffer.concat([connectionId, uint32(2), transactionId, ...hashes.map(hash => Buffer.from(hash, 'hex'))])
}

function decodeReply (reply, family = 4) {
  const action = reply.readUInt32BE(0)
  const transactionId = reply.subarray(4, 8)
  if (action === 1) {
    return {
      action,
      transactionId,
      interval: reply.readUInt32BE(8),
      incomplete: reply.readUInt32BE(12),
      complete: reply.readUInt32BE(16),
      peers: fromCompact(reply.subarray(20), family),
      length: reply.length
    }
  }
  if (action === 2) {
    const files = []
    for (let at = 8; at < reply.length; at += 12) {
      files.push({
        complete: reply.readUInt32BE(at),
        downloaded: reply.readUInt32BE(at + 4),
        incomplete: reply.readUInt32BE(at + 8)
      })
    }
    return { action, transactionId, files }
  }
  return { action, transactionId, message: reply.toString('utf8', 8) }
}

function uint32 (n) {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(n >>> 0)
  return bytes
}

function uint64 (n) {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt.asUintN(64, BigInt(n)))
  return bytes
}

module.exports = { UdpPeer, MAGIC, EVENTS, connectRequest, announceRequest, scrapeRequest, decodeReply, uint32, uint64 }
