'use strict'

// `npm start`: whatever a fresh clone lacks, then the tracker. Arguments go to the command line tool.

const path = require('node:path')
const { runMain } = require('node:module')
const { ROOT, killChildrenOnSignal } = require('./lib/process')
const { explain, installPackages, checkToolchain } = require('./lib/setup')
const { ensureAddon, isFresh, wantedProfile } = require('./lib/addon')

async function setUp () {
  if (isFresh([wantedProfile()])) return
  checkToolchain()
  await installPackages()
  await ensureAddon(undefined, { onLine: line => console.error(line) })
}

killChildrenOnSignal()
setUp().then(() => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.removeAllListeners(signal)
  // In this very process, so that a signal reaches the tracker itself, and once.
  process.argv[1] = path.join(ROOT, 'bin', 'bittorrent-tracker.js')
  runMain()
}, error => {
  console.error(explain(error))
  process.exitCode = 1
})
