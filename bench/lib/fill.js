'use strict'

const dgram = require('node:dgram')

const MAGIC = Buffer.from('0000041727101980', 'hex')
const STARTED = 2
const WINDOW = 64
const RESEND_MS = 500
const LIMIT_MS = 120_000

/** Announces each peer once over UDP (BEP 15), as started, with a few requests on their way at a time. */
function fill (port, peers, numwant) {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket('udp4')
    let connectionId = null
    let next = 0
    const pending = new Set()
    let answered = 0
    let answeredBefore = -1

    const send = index => socket.send(announce(connectionId, index, peers[index], numwant))
    const sendNext = () => {
      while (pending.size < WINDOW && next < peers.length) {
        pending.add(next)
        send(next++)
      }
    }
    const end = error => {
      clearInterval(resend)
      clearTimeout(deadline)
      socket.close()
      if (error) reject(error)
      else resolve()
    }
    // Datagrams may be lost, on loopback too. Only a full stop shows it; then all that lack go again.
    const resend = setInterval(() => {
      if (answered === answeredBefore) {
        if (connectionId === null) socket.send(connect())
        else for (const index of pending) send(index)
      }
      answeredBefore = answered
    }, RESEND_MS)
    const deadline = setTimeout(() => end(new Error(`the tracker took ${answered} of ${peers.length} peers in ${LIMIT_MS / 1000} s`)), LIMIT_MS)

    socket.on('error', end)
    socket.on('message', message => {
      const action = message.readUInt32BE(0)
      if (action === 0) connectionId ??= Buffer.from(message.subarray(8, 16))
      else if (action !== 1) return end(new Error(`the tracker answered ${message.toString('latin1', 8)}`))
      else if (pending.delete(message.readUInt32BE(4))) answered++
      if (answered === peers.length) end()
      else sendNext()
    })
    socket.connect(port, '127.0.0.1', () => socket.send(connect()))
  })
}

function connect () {
  return Buffer.concat([MAGIC, Buffer.alloc(8)])
}

function announce (connectionId, transactionId, peer, numwant) {
  const packet = Buffer.alloc(98)
  connectionId.copy(packet, 0)
  packet.writeUInt32BE(1, 8)
  packet.writeUInt32BE(transactionId, 12)
  peer.infoHash.copy(packet, 16)
  peer.peerId.copy(packet, 36)
  packet.writeBigUInt64BE(BigInt(peer.left), 64)
  packet.writeUInt32BE(STARTED, 80)
  packet.writeInt32BE(numwant, 92)
  packet.writeUInt16BE(peer.port, 96)
  return packet
}

module.exports = { fill }
