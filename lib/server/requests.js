'use strict'

// What becomes of a request that JavaScript answers, whatever transport it came by: `_onRequest`.

const { trackerError } = require('../errors')
const { askFilter } = require('./filter')

const ACTIONS = { CONNECT: 0, ANNOUNCE: 1, SCRAPE: 2 }

/** Names of events, by what peers call them. */
const EVENT_NAMES = { update: 'update', completed: 'complete', started: 'start', stopped: 'stop', paused: 'pause' }

/** Answers a request by its `params`: `cb(err, response)`. */
function onRequest (params, cb) {
  switch (params?.action) {
    case ACTIONS.CONNECT: return cb(null, { action: ACTIONS.CONNECT })
    case ACTIONS.ANNOUNCE: return onAnnounce(this, params, cb)
    case ACTIONS.SCRAPE: return onScrape(this, params, cb)
    default: return cb(new Error('Invalid action'))
  }
}

function onAnnounce (server, params, cb) {
  if (!params.event || params.event === 'empty') params.event = 'update'
  if (!server._filter) return findSwarm(server, params, cb)
  askFilter(server, params, err => err === null ? findSwarm(server, params, cb) : cb(err))
}

function findSwarm (server, params, cb) {
  server.getSwarm(params.info_hash, (err, swarm) => {
    if (err) return cb(err)
    if (swarm) return announceTo(server, swarm, params, cb)
    server.createSwarm(params.info_hash, (err, swarm) => {
      if (err) return cb(err)
      announceTo(server, swarm, params, cb)
    })
  })
}

function announceTo (server, swarm, params, cb) {
  swarm.announce(params, (err, response) => {
    if (err) return cb(err)
    response.action ??= ACTIONS.ANNOUNCE
    response.interval ??= Math.ceil(server.intervalMs / 1000)
    if (params.compact === 1) {
      const { v4, v6 } = compact(response.peers)
      response.peers = v4
      response.peers6 = v6
    } else if (params.compact === 0) response.peers = response.peers.map(dictionary)
    cb(null, response)
  })
}

function onScrape (server, params, cb) {
  let infoHashes = params.info_hash
  if (infoHashes === undefined || infoHashes === null) {
    infoHashes = server._allTorrents()
    if (infoHashes === null) {
      return cb(trackerError('full scrape is not available; name at least one info_hash', 'ERR_TRACKER_FULL_SCRAPE'))
    }
  } else if (!Array.isArray(infoHashes)) infoHashes = [infoHashes]
  const rows = new Array(infoHashes.length)
  let left = infoHashes.length
  let failed = false
  const finish = () => {
    const files = {}
    infoHashes.forEach((infoHash, at) => { files[Buffer.from(infoHash, 'hex').latin1Slice()] = rows[at] })
    cb(null, { action: ACTIONS.SCRAPE, files, flags: { min_request_interval: Math.ceil(server.intervalMs / 1000) } })
  }
  const settle = (at, err, row) => {
    if (failed) return
    if (err) {
      failed = true
      return cb(err)
    }
    const { complete = 0, incomplete = 0 } = row ?? {}
    // The original knows no count of downloads; who has one says so.
    rows[at] = { complete, incomplete, downloaded: row?.downloaded ?? complete }
    left -= 1
    if (left === 0) finish()
  }
  if (left === 0) return finish()
  infoHashes.forEach((infoHash, at) => server.getSwarm(infoHash, (err, swarm) => {
    if (err || !swarm) return settle(at, err)
    swarm.scrape(params, (err, row) => settle(at, err, row))
  }))
}

/** A peer as it is said without `compact` (BEP 3). */
function dictionary ({ peerId, ip, port }) {
  return { 'peer id': Buffer.from(peerId, 'hex'), ip, port }
}

/** The addresses of peers, 6 or 18 bytes each (BEP 23, BEP 7). */
function compact (peers) {
  const [v4, v6] = [[], []]
  for (const { ip, port } of peers) {
    if (ip === undefined) continue
    const isV6 = ip.includes(':')
    const bytes = Buffer.alloc(isV6 ? 18 : 6)
    if (isV6) v6Bytes(ip).copy(bytes)
    else ip.split('.').forEach((part, at) => { bytes[at] = Number(part) })
    bytes.writeUInt16BE(port & 0xffff, bytes.length - 2)
    if (isV6) v6.push(bytes)
    else v4.push(bytes)
  }
  return { v4: Buffer.concat(v4), v6: Buffer.concat(v6) }
}

function v6Bytes (ip) {
  const [head, tail] = ip.split('::')
  const groups = text => text === '' || text === undefined ? [] : text.split(':')
  const [start, end] = [groups(head), groups(tail)]
  const zeros = new Array(Math.max(0, 8 - start.length - end.length)).fill('0')
  const bytes = Buffer.alloc(16)
  const all = [...start, ...zeros, ...end].slice(0, 8)
  all.forEach((group, at) => bytes.writeUInt16BE(parseInt(group, 16) & 0xffff, 2 * at))
  return bytes
}

/** Tells listeners of an announce that was answered. */
function emitAnnounce (server, params, name = params.addr) {
  const event = EVENT_NAMES[params.event]
  if (event !== undefined && !server.destroyed) server.emit(event, name, params)
}

/** Tells them of a request that was refused. After `close` there is nothing to hear any more. */
function emitRefused (server, err) {
  if (!server.destroyed) server.emit('warning', err)
}

module.exports = { ACTIONS, dictionary, emitAnnounce, emitRefused, onRequest }
