'use strict'

const net = require('node:net')

/** What a message may be long, in characters, if the options don't say. */
const MAX_MESSAGE = 64 * 1024

/**
 * Serves whatever is like a WebSocket: `onWebSocketConnection(socket, { trustProxy })`. It has `send(text,
 * cb)` and emits `message`, `error` and `close`. With `upgradeReq` its address is that of the request,
 * without it that of its own `ip` and `port`.
 */
exports.onWebSocketConnection = function onWebSocketConnection (socket, opts = {}) {
  const server = this
  const { sockets, native, maxMessage = MAX_MESSAGE } = server._engine
  const trustProxy = opts.trustProxy ?? server._trustProxy

  socket.peerId = null
  socket.infoHashes = []
  const where = origin(server, socket, trustProxy)
  let closing = false
  const close = () => {
    closing = true
    socket.close?.()
  }
  const refuse = () => {
    // Whatever it sends until it is gone must not end the program.
    socket.on('error', () => {})
    close()
  }
  if (where === null) {
    native.warn('ERR_TRACKER_WEBSOCKET_REFUSED', 'invalid x-forwarded-for header', null, null)
    return refuse()
  }
  const id = sockets.open(socket, where, close)
  if (id === undefined) {
    native.warn('ERR_TRACKER_WEBSOCKET_REFUSED', 'too many sockets', where.ip, where.port)
    return refuse()
  }
  server._startHousekeeping()

  const onMessage = (data, isBinary) => {
    // A peer need not heed that it is to be closed.
    if (closing) return
    if (data.length > maxMessage) {
      native.warn('ERR_TRACKER_WEBSOCKET', 'WebSocket closed: message too long', where.ip, where.port)
      return close()
    }
    note(socket, sockets.message(id, isBinary === true ? null : data), server._engine.maxInfoHashes)
    forgetRequest(socket)
    server._drainSoon()
  }
  const onEnd = () => {
    if (socket.destroyed) return
    socket.destroyed = true
    socket.removeListener('message', onMessage)
    socket.removeListener('error', onError)
    socket.removeListener('close', onEnd)
    // Late trouble of a socket that is gone is nobody's.
    socket.on('error', () => {})
    server._engine.left(socket)
    sockets.closed(id)
    socket.peerId = null
  }
  const onError = err => {
    if (socket.destroyed) return
    onEnd()
    server.emit('warning', err)
  }
  socket.onSend = err => { if (err) onError(err) }
  socket.on('message', onMessage)
  socket.on('error', onError)
  socket.on('close', onEnd)
}

function origin (server, socket, trustProxy) {
  const request = socket.upgradeReq
  if (!request) {
    socket.headers ??= {}
    socket.port ??= 0
    const port = Math.trunc(Number(socket.port)) & 0xffff
    const ip = socket.ip ?? '0.0.0.0'
    socket.addr ??= addr(ip, socket.port)
    return { ip: net.isIP(ip) === 0 ? '0.0.0.0' : ip, port, headers: socket.headers }
  }
  const { remoteAddress = '0.0.0.0', remotePort = 0 } = request.connection ?? request.socket ?? {}
  const forwarded = request.headers['x-forwarded-for']
  const ip = server._engine.native.clientIp(remoteAddress, forwarded, Boolean(trustProxy))
  if (ip === null) return null
  socket.ip = ip
  socket.port = remotePort
  socket.addr = addr(ip, remotePort)
  socket.headers = request.headers
  return { ip, port: remotePort, headers: request.headers, url: request.url }
}

// The request keeps a parser and buffers alive.
function forgetRequest (socket) {
  if (socket.upgradeReq) socket.upgradeReq = null
}

// What a socket has announced is to be seen on it. The engine has found out already whether the message
// is any good.
function note (socket, text, most) {
  if (text === null) return
  let message
  try {
    message = JSON.parse(text)
  } catch {
    return
  }
  const { action, info_hash: infoHash, peer_id: peerId } = message ?? {}
  if (action !== 'announce' || typeof infoHash !== 'string' || typeof peerId !== 'string') return
  socket.peerId ??= Buffer.from(peerId, 'latin1').toString('hex')
  const hex = Buffer.from(infoHash, 'latin1').toString('hex')
  const { infoHashes } = socket
  if (hex.length === 40 && infoHashes.length < most && !infoHashes.includes(hex)) infoHashes.push(hex)
}

function addr (ip, port) {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}
