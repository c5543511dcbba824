'use strict'

const { execFile } = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const { pathToFileURL } = require('node:url')
const { promisify } = require('node:util')
const { ROOT, start } = require('./processes')

const VERSION = '11.2.3'
const CACHE = path.join(ROOT, 'node_modules', '.cache', `bittorrent-tracker-${VERSION}`)

// npm asks the registry; a machine that is cut off fails the test with npm's own words after this time.
const INSTALL_LIMIT_MS = 120_000

/**
 * The folder with the npm package that this one replaces, installed there at the first use. Without install scripts:
 * its WebRTC dependency wants a download, and its server does without.
 */
async function installOriginal () {
  const entry = path.join(CACHE, 'node_modules', 'bittorrent-tracker', 'server.js')
  if (fs.existsSync(path.join(CACHE, 'installed'))) return entry
  fs.mkdirSync(CACHE, { recursive: true })
  fs.writeFileSync(path.join(CACHE, 'package.json'), JSON.stringify({ private: true, dependencies: { 'bittorrent-tracker': VERSION } }))
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  await promisify(execFile)(npm, ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock'], {
    cwd: CACHE, timeout: INSTALL_LIMIT_MS, shell: process.platform === 'win32'
  })
  fs.writeFileSync(path.join(CACHE, 'installed'), VERSION)
  return entry
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
