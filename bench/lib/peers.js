'use strict'

// What the tracker is measured against and with: installed once, into a folder that git ignores.

const fs = require('node:fs')
const path = require('node:path')
const { pathToFileURL } = require('node:url')
const { run, capture, npm } = require('../../scripts/lib/process')
const { SetupError } = require('../../scripts/lib/setup')

/** The folder; the load tools' input goes there as well. */
const PEERS = path.join(__dirname, '..', '.peers')
const ORIGINAL_VERSION = '11.2.3'
const UDP_LOAD_TOOL = 'aquatic_udp_load_test'
const UDP_LOAD_TOOL_VERSION = '0.9.0'
const LOAD_TOOL = 'bench_load'

/** The URL of the server module of the npm package that this one replaces. */
async function installOriginal (log) {
  const folder = path.join(PEERS, `bittorrent-tracker-${ORIGINAL_VERSION}`)
  const done = path.join(folder, 'installed')
  if (!fs.existsSync(done)) {
    log(`Installing bittorrent-tracker ${ORIGINAL_VERSION} from npm`)
    fs.mkdirSync(folder, { recursive: true })
    fs.writeFileSync(path.join(folder, 'package.json'),
      JSON.stringify({ private: true, dependencies: { 'bittorrent-tracker': ORIGINAL_VERSION } }))
    // Its WebRTC dependency wants a download; its server does without.
    await install(...npm('install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund',
      '--no-package-lock', '--loglevel=error'))
    fs.writeFileSync(done, '')
  }
  return pathToFileURL(path.join(folder, 'node_modules', 'bittorrent-tracker', 'server.js')).href
}

/** The path of the UDP load generator. */
async function installUdpLoadTool (log) {
  const folder = path.join(PEERS, `${UDP_LOAD_TOOL}-${UDP_LOAD_TOOL_VERSION}`)
  const file = path.join(folder, 'bin', UDP_LOAD_TOOL)
  if (!fs.existsSync(file)) {
    log(`Building ${UDP_LOAD_TOOL} ${UDP_LOAD_TOOL_VERSION} from crates.io (a minute or two)`)
    const build = path.join(folder, 'target')
    await install('cargo', ['install', UDP_LOAD_TOOL, '--version', UDP_LOAD_TOOL_VERSION, '--locked', '--root', folder],
      { CARGO_TARGET_DIR: build })
    fs.rmSync(build, { recursive: true, force: true })
  }
  return file
}

async function install (command, args, env) {
  const lines = []
  const failure = await run(command, args, { env, onLine: line => lines.push(line) })
  if (failure) throw new SetupError(failure, lines.slice(-50).join('\n'))
}

/** The path of the load generators that are in this repository. */
async function buildWebSocketLoadTool (log) {
  const folder = path.join(PEERS, LOAD_TOOL)
  const file = path.join(folder, 'release', LOAD_TOOL)
  if (!fs.existsSync(file)) log('Building bench/load (half a minute)')
  const manifest = path.join(__dirname, '..', 'load', 'Cargo.toml')
  await install('cargo', ['build', '--release', '--locked', '--manifest-path', manifest], { CARGO_TARGET_DIR: folder })
  return file
}

/** The HTTP load generator comes with the system. */
function findWrk () {
  const file = capture('which', ['wrk'])?.trim()
  if (!file) throw new SetupError('wrk is missing: install the Debian package wrk (apt-get install wrk), then run this again.')
  return file
}

module.exports = { PEERS, ORIGINAL_VERSION, installOriginal, installUdpLoadTool, buildWebSocketLoadTool, findWrk }
