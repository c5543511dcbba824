'use strict'

// Clients: many in one process, each of which announces a torrent of its own once. The tracker is this one.

const { once } = require('node:events')
const fs = require('node:fs')
const path = require('node:path')
const { fileURLToPath, pathToFileURL } = require('node:url')
const { ROOT } = require('../../scripts/lib/process')
const { start } = require('./children')
const { ours } = require('./contenders')
const { onCore } = require('./cores')
const { micros } = require('./report')

const ENTRY = pathToFileURL(path.join(ROOT, 'client.js')).href
const EMITTERS = pathToFileURL(path.join(__dirname, 'emitters.mjs')).href
const SETTINGS = { clients: 10_000 }
const FLOOR = ours({ ws: false }, { key: 'floor', name: 'no clients: emitters that emit `update`', client: EMITTERS })

/** The original waits 15 s for an answer over UDP; a connection that finds a full queue is tried again for as long. */
const LIMIT_MS = 60_000

const COLUMNS = {
  rate: 'announces/s',
  cpu: 'CPU/announce',
  runText: ({ cpu, memory, failed }) => `${micros(cpu)} of CPU each, ${mib(memory)} of memory, ${failed} failed`,
  more: [
    ['memory', ({ memory }) => mib(memory.median)],
    ['failed', ({ failed }) => String(failed.max)]
  ]
}

// What the original imports of its WebRTC dependency, which needs a download when it is installed. None of it is used
// over UDP and HTTP.
const NO_WEBRTC = `
const none = class {}
export { none as RTCPeerConnection, none as RTCSessionDescription, none as RTCIceCandidate }
export default { RTCPeerConnection: none }
`

function parts ({ original }) {
  const { clients } = SETTINGS
  const modules = path.join(path.dirname(fileURLToPath(original.client)), '..')
  fs.writeFileSync(path.join(modules, 'webrtc-polyfill', 'index.js'), NO_WEBRTC)
  return ['udp', 'http'].map(transport => ({
    key: `client-${transport}`,
    title: `Client: ${clients.toLocaleString('en')} clients in one process, one announce each over ${transport.toUpperCase()}`,
    settings: SETTINGS,
    columns: COLUMNS,
    contenders: [
      ours({ ws: false }, { client: ENTRY }),
      // They know no transport.
      ...(transport === 'udp' ? [FLOOR] : []),
      ours({ ws: false }, { key: 'original', name: 'original', client: original.client })
    ],
    measure: (tracker, context) => measure(transport, tracker, context)
  }))
}

/**
 * `{ rate, cpu, memory, failed }`: announces answered per second, from the first that was asked for to the last
 * answer, µs of CPU time of the clients' process for each, bytes by which that process has grown in all, and how many
 * got no answer.
 */
async function measure (transport, tracker, { cores, contender }) {
  const announce = transport === 'udp' ? `udp://127.0.0.1:${tracker.udp}` : `http://127.0.0.1:${tracker.http}/announce`
  const args = [path.join(__dirname, 'clients.mjs'), contender.client, announce, SETTINGS.clients, LIMIT_MS].map(String)
  const child = start(...onCore(cores.load, process.execPath, ['--expose-gc', ...args]),
    { stdio: ['ignore', 'inherit', 'pipe', 'ipc'], limit: 2 * LIMIT_MS })
  try {
    const [result] = await Promise.race([
      once(child, 'message'),
      child.ended.then(how => { throw new Error(`the process with clients ${how}`) })
    ])
    const { micros: elapsed, cpu, memory, updated, failed, example } = result
    if (failed > 0) console.error(`  ${contender.name}: ${failed} announces failed: ${example}`)
    if (updated === 0) throw new Error('no announce was answered')
    return { rate: updated / elapsed * 1e6, cpu: cpu / updated, memory, failed }
  } finally {
    child.kill('SIGKILL')
    await child.ended
  }
}

function mib (bytes) {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}

module.exports = { parts }
