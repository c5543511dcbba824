'use strict'

const crypto = require('node:crypto')
const dgram = require('node:dgram')
const { once } = require('node:events')
const { Recorder } = require('./events')
const { uint32 } = require('./udp')

/**
 * A UDP tracker that answers what the test says. `answers` has `connect`, `announce` and `scrape`, each
 * `(packet, reply, tracker) => void`, where `reply(...buffers)` sends them; what is left out answers well.
 * `packets` records `{ action, packet, from }`.
 */
class FakeUdpTracker {
  static async start (t, answers = {}, host = '127.0.0.1') {
    const tracker = new FakeUdpTracker(answers, host)
    tracker.socket.bind(0, host)
    await once(tracker.socket, 'listening')
    t.after(() => tracker.stop())
    return tracker
  }

  constructor (answers, host) {
    this.host = host.includes(':') ? `[${host}]` : host
    this.socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4')
    this.recorder = new Recorder(this.socket, ['request'])
    this.connectionId = crypto.randomBytes(8)
    this.answers = { connect, announce, scrape, ...answers }
    this.socket.on('message', (packet, rinfo) => {
      const action = ['connect', 'announce', 'scrape'][packet.readUInt32BE(8)]
      this.socket.emit('request', { action, packet, from: rinfo })
      const reply = (...buffers) => this.socket.send(Buffer.concat(buffers), rinfo.port, rinfo.address)
      this.answers[action]?.(packet, reply, this)
    })
  }

  get url () {
    return `udp://${this.host}:${this.port}`
  }

  get port () {
    return this.socket.address().port
  }

  get packets () {
    return this.recorder.of('request').map(([request]) => request)
  }

  of (action) {
    return this.packets.filter(request => request.action === action).map(({ packet }) => packet)
  }

  async packet (action, n = 1) {
    await this.recorder.until(() => this.of(action).length >= n)
    return this.of(action)[n - 1]
  }

  stop () {
    return new Promise(resolve => this.socket.close(resolve))
  }
}

const transactionOf = packet => packet.subarray(12, 16)

function connect (packet, reply, tracker) {
  reply(uint32(0), transactionOf(packet), tracker.connectionId)
}

const announce = answerWith(Buffer.from([10, 0, 0, 1, 0x1a, 0xe1]))

/** An announce answer of two seeders, three leechers and these compact peers. */
function answerWith (peers) {
  return (packet, reply) => reply(uint32(1), transactionOf(packet), uint32(1800), uint32(3), uint32(2), peers)
}

function scrape (packet, reply) {
  const rows = []
  for (let at = 16, n = 1; at + 20 <= packet.length; at += 20, n++) {
    rows.push(uint32(n), uint32(n * 10), uint32(n * 100))
  }
  reply(uint32(2), transactionOf(packet), ...rows)
}

/** The fields of a BEP 15 announce. */
function parseAnnounce (packet) {
  return {
    connectionId: packet.subarray(0, 8),
    transactionId: transactionOf(packet),
    infoHash: packet.toString('hex', 16, 36),
    peerId: packet.toString('hex', 36, 56),
    downloaded: packet.readBigUInt64BE(56),
    left: packet.readBigUInt64BE(64),
    uploaded: packet.readBigUInt64BE(72),
    event: packet.readUInt32BE(80),
    ip: packet.readUInt32BE(84),
    key: packet.readUInt32BE(88),
    numwant: packet.readInt32BE(92),
    port: packet.readUInt16BE(96),
    options: packet.subarray(98)
  }
}

module.exports = { FakeUdpTracker, answerWith, parseAnnounce, transactionOf }
