'use strict'

// One end of a connection over WebRTC, in a process of its own (see e2e/webtorrent-node.test.js): announces at a
// tracker, connects to the first peer that it finds, sends as much as it is told to and takes as much.
//
// Arguments: a module with a client, and the rest as JSON. Says `{ peer }`, then `{ sent, received }` with the SHA-256
// of both, and ends once it is told to.

const crypto = require('node:crypto')
const { pathToFileURL } = require('node:url')

const [file, text] = process.argv.slice(2)
const { announce, infoHash, peerId, size } = JSON.parse(text)

const sha256 = bytes => crypto.createHash('sha256').update(bytes).digest('hex')

async function main () {
  const { default: Client } = await import(pathToFileURL(file).href)
  const client = new Client({
    infoHash, peerId, announce: [announce], port: 6881, wrtc: require('@roamhq/wrtc'), rtcConfig: { iceServers: [] }
  })
  for (const event of ['warning', 'error']) client.on(event, err => console.error(`${event}: ${err.message}`))
  client.once('peer', peer => exchange(peer))
  process.once('message', () => {
    client.stop()
    client.destroy(() => process.exit())
  })
  client.start({ left: 1 })
}

function exchange (peer) {
  process.send({ peer: peer.id })
  const payload = crypto.randomBytes(size)
  const chunks = []
  let received = 0
  peer.on('error', err => console.error(`peer: ${err.message}`))
  peer.on('data', chunk => {
    chunks.push(Buffer.from(chunk))
    received += chunk.length
    if (received >= size) process.send({ sent: sha256(payload), received: sha256(Buffer.concat(chunks)) })
  })
  peer.once('connect', () => {
    // Data channels have a limit for a message.
    for (let at = 0; at < size; at += 16 * 1024) peer.write(payload.subarray(at, at + 16 * 1024))
  })
}

main()
