'use strict'

// What this tracker is measured against and with: installed once, into a folder that git ignores.

const fs = require('node:fs')
const path = require('node:path')
const { pathToFileURL } = require('node:url')
const { run, npm } = require('../../scripts/lib/process')
const { SetupError } = require('../../scripts/lib/setup')

/** The folder; the load tools' input and the other trackers' settings go there as well. */
const PEERS = path.join(__dirname, '..', '.peers')
const ORIGINAL_VERSION = '11.2.3'
const AQUATIC_VERSION = '0.9.0'

/**
 * Programs from crates.io with their features. Aquatic's figures for Prometheus are left out: nobody reads them
 * here, and counting takes time.
 */
const CRATES = {
  aquatic_udp: 'mimalloc,io-uring',
  aquatic_http: 'mimalloc',
  aquatic_ws: 'mimalloc',
  aquatic_udp_load_test: ''
}

/** Our own loads, in bench/load. */
const LOAD = 'bench_load'

/** The URLs of the modules of the npm package that this one replaces: `{ server, client }`. */
async function installOriginal (log) {
  const folder = path.join(PEERS, `bittorrent-tracker-${ORIGINAL_VERSION}`)
  const done = path.join(folder, 'installed')
  if (!fs.existsSync(done)) {
    log(`Installing bittorrent-tracker ${ORIGINAL_VERSION} from npm`)
    fs.mkdirSync(folder, { recursive: true })
    fs.writeFileSync(path.join(folder, 'package.json'),
      JSON.stringify({ private: true, dependencies: { 'bittorrent-tracker': ORIGINAL_VERSION } }))
    // Its WebRTC dependency wants a download; what is measured does without.
    await install(...npm('install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund',
      '--no-package-lock', '--loglevel=error'))
    fs.writeFileSync(done, '')
  }
  const module = name => pathToFileURL(path.join(folder, 'node_modules', 'bittorrent-tracker', name)).href
  return { server: module('server.js'), client: module('client.js') }
}

/** The paths of programs of `CRATES`, by name. Those that are missing are built. */
async function installCrates (names, log) {
  const files = {}
  // One for all: they share most of their dependencies.
  const build = path.join(PEERS, 'target')
  for (const name of names) {
    const folder = path.join(PEERS, `${name}-${AQUATIC_VERSION}`)
    files[name] = path.join(folder, 'bin', name)
    if (fs.existsSync(files[name])) continue
    log(`Building ${name} ${AQUATIC_VERSION} from crates.io (a minute or two)`)
    const features = CRATES[name] ? ['--no-default-features', '--features', CRATES[name]] : []
    await install('cargo', ['install', name, '--version', AQUATIC_VERSION, '--locked', '--root', folder, ...features],
      { CARGO_TARGET_DIR: build })
  }
  // When all are there: each mode asks for its own, and they share it.
  if (Object.keys(CRATES).every(name => fs.existsSync(path.join(PEERS, `${name}-${AQUATIC_VERSION}`, 'bin', name)))) {
    fs.rmSync(build, { recursive: true, force: true })
  }
  return files
}

/** The path of the program with our own loads. */
async function buildLoad (log) {
  const folder = path.join(PEERS, LOAD)
  const file = path.join(folder, 'release', LOAD)
  if (!fs.existsSync(file)) log('Building bench/load (half a minute)')
  const manifest = path.join(__dirname, '..', 'load', 'Cargo.toml')
  await install('cargo', ['build', '--release', '--locked', '--manifest-path', manifest], { CARGO_TARGET_DIR: folder })
  return file
}

async function install (command, args, env) {
  const lines = []
  const failure = await run(command, args, { env, onLine: line => lines.push(line) })
  if (failure) throw new SetupError(failure, lines.slice(-50).join('\n'))
}

module.exports = { PEERS, ORIGINAL_VERSION, AQUATIC_VERSION, installOriginal, installCrates, buildLoad, install }
