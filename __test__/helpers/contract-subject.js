'use strict'

// The server whose contract is tested: ours, or with TRACKER_SUBJECT=original that of the package it replaces, which
// shows that what is expected is what programs have had so far.

const http = require('node:http')
const { pathToFileURL } = require('node:url')
const { bencoded, announcePath } = require('./http')
const { callback } = require('./events')
const { installOriginal } = require('./original')
const { Server: OurServer, httpPort, listen, udpPort } = require('./subjects')
const { UdpPeer } = require('./udp')
const { WsPeer } = require('./websocket-peer')

const IS_ORIGINAL = process.env.TRACKER_SUBJECT === 'original'

/** Test options: where the README lists that we differ, the original is not asked. */
const differs = difference => IS_ORIGINAL ? { skip: `listed difference: ${difference}` } : {}

/** Test options for what only this package has. */
const isNew = IS_ORIGINAL ? { skip: 'not in the original' } : {}

async function loadServer () {
  if (!IS_ORIGINAL) return OurServer
  const { default: Server } = await import(pathToFileURL(await installOriginal()).href)
  return Server
}

/** A server that is closed, with all its connections, when the test ends. */
async function createServer (t, opts = {}) {
  const Server = await loadServer()
  return track(t, new Server({ stats: false, ...opts }))
}

/** The same for a server that the test has made. */
function track (t, server) {
  const sockets = new Set()
  // The original waits for its WebSockets to leave. On ours a listener would be taken for a wish for Node's own HTTP.
  if (IS_ORIGINAL) server.http?.on('connection', socket => sockets.add(socket))
  t.after(async () => {
    if (server.destroyed) return
    const closed = callback(cb => server.close(cb))
    for (const socket of sockets) socket.destroy()
    await closed
  })
  return server
}

/** A server on ports of the kernel's choice. */
async function startServer (t, opts, ...listenArgs) {
  return listen(await createServer(t, opts), ...listenArgs)
}

/** A plain HTTP server that hands every request to `handler`; resolves with its port. */
async function startHttp (t, handler) {
  const server = http.createServer(handler)
  t.after(() => {
    server.closeAllConnections()
    return callback(cb => server.close(cb))
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  return server.address().port
}

/**
 * One announce over each transport: `join(t, server, { infoHash, peerId })` resolves with `{ failure }`, undefined for
 * an announce that was taken, and with `complete` and `incomplete` then.
 */
const TRANSPORTS = {
  async http (t, server, { infoHash, peerId, event = 'started', ...params }) {
    const reply = await bencoded(httpPort(server), announcePath({ infoHash, peerId, event, ...params }))
    return {
      failure: reply.get('failure reason')?.toString(),
      complete: reply.get('complete'),
      incomplete: reply.get('incomplete')
    }
  },
  async udp (t, server, { infoHash, peerId, event = 'started', ...params }) {
    const peer = await UdpPeer.open(t, udpPort(server))
    const { message, complete, incomplete } = await peer.announce({ infoHash, peerId, event, ...params })
    return { failure: message, complete, incomplete }
  },
  async ws (t, server, { infoHash, peerId, event = 'started', ...params }) {
    const peer = await WsPeer.open(t, server, { peerId })
    const reply = await peer.announce({ infoHash, event, ...params })
    return { failure: reply['failure reason'], complete: reply.complete, incomplete: reply.incomplete }
  }
}

module.exports = {
  IS_ORIGINAL, TRANSPORTS, createServer, differs, isNew, loadServer, startHttp, startServer, track
}
