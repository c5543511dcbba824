'use strict'

const { udpParams } = require('./params')
const { ACTIONS, emitAnnounce, emitRefused } = require('./requests')

const ACTION_ERROR = 3

/** As many torrents fit into the answer of a scrape. */
const MAX_INFO_HASHES = 74

/** Handles a datagram: `onUdpRequest(msg, rinfo)`. The answer leaves from the tracker's own port. */
exports.onUdpRequest = function onUdpRequest (msg, { address, port }) {
  const server = this
  const { native, maxNumwant } = server._engine
  const parsed = native.parseUdp(msg, address, port)
  if (parsed === null) return
  const send = body => native.sendUdp(body, address, port)
  if (parsed.connect !== undefined) return answerConnect(server, msg, send, parsed.connect)
  const params = parsed.infoHashes === undefined
    ? udpParams(msg, parsed.addr, maxNumwant)
    : scrapeParams(msg, parsed.infoHashes)
  answer(server, params, send)
}

/** Answers a datagram that the engine has read, by way of `_onRequest`. */
exports.answerUdp = function answerUdp (server, question, params) {
  answer(server, params, body => server._engine.native.reply(question, { body }))
}

exports.scrapeParams = scrapeParams

/** The torrents of a scrape. */
exports.scrapedHashes = function scrapedHashes (packet) {
  const infoHashes = []
  for (let at = 16; at + 20 <= packet.length && infoHashes.length < MAX_INFO_HASHES; at += 20) {
    infoHashes.push(packet.hexSlice(at, at + 20))
  }
  return infoHashes
}

function scrapeParams (packet, infoHashes) {
  return {
    connectionId: Buffer.from(packet.subarray(0, 8)),
    action: ACTIONS.SCRAPE,
    transactionId: packet.readUInt32BE(12),
    type: 'udp',
    info_hash: infoHashes
  }
}

function answerConnect (server, packet, send, body) {
  const params = {
    connectionId: Buffer.from(packet.subarray(0, 8)),
    action: ACTIONS.CONNECT,
    transactionId: packet.readUInt32BE(12),
    type: 'udp'
  }
  server._onRequest(params, err => {
    if (!err) return send(body)
    send(errorPacket(params, err.message ?? 'refused'))
    emitRefused(server, err)
  })
}

function answer (server, params, send) {
  server._onRequest(params, (err, response) => {
    if (err) {
      send(errorPacket(params, err.message ?? 'refused'))
      emitRefused(server, err)
      return
    }
    if (params.action === ACTIONS.SCRAPE) return send(scrapePacket(params, response))
    send(announcePacket(params, response))
    emitAnnounce(server, params)
  })
}

function announcePacket (params, { interval, incomplete, complete, peers, peers6 }) {
  const isV6 = params.addr.startsWith('[')
  const head = Buffer.alloc(20)
  head.writeUInt32BE(ACTIONS.ANNOUNCE, 0)
  head.writeUInt32BE(params.transactionId, 4)
  head.writeUInt32BE(uint32(interval), 8)
  head.writeUInt32BE(uint32(incomplete), 12)
  head.writeUInt32BE(uint32(complete), 16)
  return Buffer.concat([head, (isV6 ? peers6 : peers) ?? Buffer.alloc(0)])
}

function scrapePacket (params, { files }) {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(ACTIONS.SCRAPE, 0)
  head.writeUInt32BE(params.transactionId, 4)
  const rows = params.info_hash.map(infoHash => {
    const { complete = 0, downloaded = 0, incomplete = 0 } = files[Buffer.from(infoHash, 'hex').latin1Slice()] ?? {}
    const row = Buffer.alloc(12)
    row.writeUInt32BE(uint32(complete), 0)
    row.writeUInt32BE(uint32(downloaded), 4)
    row.writeUInt32BE(uint32(incomplete), 8)
    return row
  })
  return Buffer.concat([head, ...rows])
}

function errorPacket ({ transactionId }, message) {
  const head = Buffer.alloc(8)
  head.writeUInt32BE(ACTION_ERROR, 0)
  head.writeUInt32BE(transactionId, 4)
  return Buffer.concat([head, Buffer.from(String(message))])
}

// What a program says may be anything.
function uint32 (value) {
  return Math.min(Math.max(Math.trunc(Number(value)) || 0, 0), 2 ** 32 - 1)
}
