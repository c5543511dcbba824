'use strict'

const path = require('node:path')
const { pathToFileURL } = require('node:url')
const { installPackages } = require('./npm-packages')
const { start } = require('./processes')

const VERSION = '11.2.3'

/** The server of the npm package that this one replaces; it does without the WebRTC that its install script fetches. */
async function installOriginal () {
  const folder = await installPackages(`bittorrent-tracker-${VERSION}`, { dependencies: { 'bittorrent-tracker': VERSION } })
  return path.join(folder, 'node_modules', 'bittorrent-tracker', 'server.js')
}

/** The original's server in a process of its own: `{ httpUrl, udpUrl, wsUrl, nextEvent() }`. */
async function startOriginal (t, opts = {}) {
  const entry = await installOriginal()
  const child = start(t, process.execPath, ['--input-type=module', '-e', `
    const { default: Server } = await import(${JSON.stringify(pathToFileURL(entry).href)})
    const server = new Server(${JSON.stringify({ ws: false, stats: false, ...opts })})
    for (const event of ['start', 'update', 'complete', 'stop', 'warning', 'error']) {
      server.on(event, (what, params) => process.send({ event, addr: String(what.message ?? what), left: params?.left, peerId: params?.peer_id }))
    }
    server.listen(0, () => process.send({ http: server.http.address().port, udp: server.udp.address().port }))
  `], { ipc: true })
  const queue = []
  const waiting = []
  child.on('message', message => {
    const waiter = waiting.shift()
    if (waiter) waiter(message)
    else queue.push(message)
  })
  const nextEvent = () => Promise.race([
    queue.length > 0 ? queue.shift() : new Promise(resolve => waiting.push(resolve)),
    child.ended.then(() => { throw new Error(`the original's server ended:\n${child.output}`) })
  ])
  const { http, udp } = await nextEvent()
  const httpUrl = `http://127.0.0.1:${http}/announce`
  return { child, nextEvent, httpUrl, wsUrl: httpUrl.replace('http', 'ws'), udpUrl: `udp://127.0.0.1:${udp}` }
}

module.exports = { installOriginal, startOriginal }
