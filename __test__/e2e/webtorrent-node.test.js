'use strict'

// Two processes find each other through our tracker and talk over WebRTC.

const assert = require('node:assert')
const path = require('node:path')
const { describe } = require('node:test')
const { test } = require('../helpers/test')
const { record } = require('../helpers/events')
const { ROOT, start } = require('../helpers/processes')
const { installPackages } = require('../helpers/npm-packages')
const { randomHex, startServer } = require('../helpers/subjects')
const { wsUrl } = require('../helpers/websocket-peer')

const SIZE = 1 << 20

// The first run asks npm for packages.
const options = { timeout: 240_000 }

const SHIM = `
import wrtc from '@roamhq/wrtc'
export const { RTCPeerConnection, RTCSessionDescription, RTCIceCandidate } = wrtc
export default wrtc
`

/** Modules with a client as their default export. */
const CLIENTS = {
  ours: async () => path.join(ROOT, 'index.js'),
  original: async () => {
    // Its WebRTC implementation wants a download when it is installed. The one of our own tests does as well.
    const folder = await installPackages('original-with-webrtc', {
      dependencies: { 'bittorrent-tracker': '11.2.3', 'webrtc-polyfill': 'file:webrtc-polyfill' },
      overrides: { 'webrtc-polyfill': '$webrtc-polyfill' }
    }, {
      'webrtc-polyfill/package.json': JSON.stringify({ name: 'webrtc-polyfill', version: '1.2.2', type: 'module', main: 'index.js' }),
      'webrtc-polyfill/index.js': SHIM
    })
    return path.join(folder, 'node_modules', 'bittorrent-tracker', 'client.js')
  }
}

// Who waits in the swarm and answers, and who comes later with an offer.
describe('a megabyte each way', { concurrency: true }, () => {
  connects('original', 'original')
  connects('ours', 'original')
  connects('original', 'ours')
  connects('ours', 'ours')
})

function connects (first, second) {
  test(`${first} answers, ${second} offers`, options, async t => {
    const modules = [await CLIENTS[first](), await CLIENTS[second]()]
    const server = await startServer(t, { udp: false, ws: true })
    const events = record(server, 'start', 'stop', 'update')
    const infoHash = randomHex()
    const ids = [randomHex(), randomHex()]
    const ends = []
    for (const [index, file] of modules.entries()) {
      const args = JSON.stringify({ announce: wsUrl(server), infoHash, peerId: ids[index], size: SIZE })
      ends.push(open(t, file, args))
      await Promise.race([events.count('start', index + 1), ends[index].failed])
    }
    const peers = await Promise.all(ends.map(end => end.next()))
    assert.deepStrictEqual(peers, [{ peer: ids[1] }, { peer: ids[0] }])
    const [a, b] = await Promise.all(ends.map(end => end.next()))
    assert.strictEqual(a.sent, b.received)
    assert.strictEqual(b.sent, a.received)
    assert.ok(events.of('update').some(([id, params]) => id === ids[0] && params.to_peer_id === ids[1]), 'through the tracker')

    for (const end of ends) end.child.send('leave')
    await events.count('stop', 2)
    for (const end of ends) assert.strictEqual((await end.child.ended).code, 0, end.child.output)
    assert.strictEqual(server.torrents[infoHash]?.incomplete ?? 0, 0)
  })
}

/** A process with one end: `next()` is the next thing that it says, `failed` rejects when it ends. */
function open (t, file, args) {
  const child = start(t, process.execPath, [path.join(__dirname, '..', 'helpers', 'webrtc-end.js'), file, args], { ipc: true })
  const said = []
  const waiting = []
  child.on('message', message => waiting.length > 0 ? waiting.shift()(message) : said.push(message))
  const failed = child.ended.then(({ code, signal }) => {
    throw new Error(`an end is gone (${code ?? signal}):\n${child.output}`)
  })
  failed.catch(() => {})
  const heard = () => said.length > 0 ? said.shift() : new Promise(resolve => waiting.push(resolve))
  const next = () => Promise.race([failed, heard()])
  return { child, failed, next }
}
