'use strict'

const path = require('node:path')
const { start, tempDir } = require('./processes')
const { freePort } = require('./ports')

/**
 * aria2c on one torrent, with every way to find peers but the tracker switched off. aria2's UDP tracker client works
 * only while its DHT is on, so that is on with no entry point and a routing table of its own.
 */
async function startAria2 (t, { torrentFile, dir, seed, udp }) {
  const state = tempDir(t, 'aria2')
  const port = await freePort()
  const child = start(t, 'aria2c', [
    '--no-conf=true', '--enable-color=false', '--summary-interval=0', '--file-allocation=none', '--disk-cache=0',
    `--dir=${dir}`, `--listen-port=${port}`, '--bt-enable-lpd=false', '--enable-peer-exchange=false',
    `--enable-dht=${udp}`, '--enable-dht6=false', `--dht-listen-port=${port}`, `--dht-file-path=${path.join(state, 'dht.dat')}`,
    '--bt-tracker-interval=1', '--bt-stop-timeout=50',
    ...(seed ? ['--check-integrity=true', '--seed-ratio=0.0'] : ['--seed-time=0']),
    torrentFile
  ], { cwd: state, env: { ...process.env, HOME: state } })
  child.btPort = port
  return child
}

/** aria2 says `stopped` to its trackers on SIGINT only. */
async function stopAria2 (child) {
  child.kill('SIGINT')
  await child.ended
}

module.exports = { startAria2, stopAria2 }
