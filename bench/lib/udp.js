'use strict'

// UDP announces from the load tool of the aquatic tracker. It keeps the tracker busy with at most a
// tenth of its requests unanswered, and uses a whole core for itself.

const fs = require('node:fs')
const path = require('node:path')
const readline = require('node:readline')
const { start } = require('./children')
const { onCore, cpuTime } = require('./cores')
const { PEERS } = require('./peers')
const { ANNOUNCES } = require('./report')

/** The tool reports in this rhythm; it is not an option. */
const INTERVAL_S = 5

/** A tracker that needs longer for the warm-up cannot be measured: connection ids end after two minutes. */
const WARM_UP_LIMIT_S = 80

// Two peers per torrent as in the tool's defaults, which make its largest swarm 700 peers: the original
// keeps no more than 1000. A twentieth of the default, so that each tracker can be warmed up with all of it.
const SETTINGS = { torrents: 50_000, peers: 100_000, numwant: 30, sockets: 32 }

function load (tool) {
  const { torrents, peers, numwant, sockets } = SETTINGS
  return {
    title: `UDP: announces for ${torrents.toLocaleString('en')} torrents by ${peers.toLocaleString('en')} peers, ` +
      `numwant ${numwant}, from ${sockets} sockets`,
    settings: SETTINGS,
    columns: ANNOUNCES,
    measure: (tracker, options) => measure(tool, tracker, options)
  }
}

/** `{ rate, cpu, peers }`: announces answered per second, µs of CPU time and peers per answer. */
async function measure (tool, tracker, { seconds, core }) {
  const file = path.join(PEERS, 'load.toml')
  const limit = WARM_UP_LIMIT_S + seconds + 2 * INTERVAL_S
  fs.writeFileSync(file, config(tracker.udp, limit))
  const child = start(...onCore(core, tool, ['-c', file]), { limit: (limit + 15) * 1000 })
  try {
    return await Promise.race([
      readIntervals(child, tracker, Math.ceil(seconds / INTERVAL_S)),
      child.ended.then(how => { throw new Error(`the UDP load tool ${how}`) })
    ])
  } finally {
    child.kill('SIGKILL')
    await child.ended
  }
}

function config (port, duration) {
  return `
    server_address = "127.0.0.1:${port}"
    workers = 1
    duration = ${duration}
    extra_statistics = false
    [network]
    sockets_per_worker = ${SETTINGS.sockets}
    [requests]
    number_of_torrents = ${SETTINGS.torrents}
    number_of_peers = ${SETTINGS.peers}
    announce_peers_wanted = ${SETTINGS.numwant}
    weight_connect = 0
    weight_announce = 1
    weight_scrape = 0
    `
}

/** Leaves out intervals until there were as many answers as peers, then takes `wanted` of them. */
function readIntervals (child, tracker, wanted) {
  return new Promise((resolve, reject) => {
    const taken = []
    let [announces, errors, warmUp, intervals, cpuBefore] = [0, 0, 0, 0, 0]
    readline.createInterface({ input: child.stdout }).on('line', line => {
      const [, name, text] = /^\s*-?\s*([A-Z][a-z ]+):\s+([\d.]+|NaN)(?:\/second)?$/.exec(line) ?? []
      if (name === 'Announce responses') announces = Number(text)
      if (name === 'Error responses') errors = Number(text)
      // The last line of an interval.
      if (name !== 'Peers per announce response') return

      intervals++
      if (errors > 0) return reject(new Error('the tracker answered with errors'))
      const cpu = cpuTime(tracker.pid)
      if (warmUp >= SETTINGS.peers) {
        taken.push({ rate: announces, cpu: (cpu - cpuBefore) / (announces * INTERVAL_S), peers: Number(text) })
        if (taken.length === wanted) return resolve(mean(taken))
      } else {
        warmUp += announces * INTERVAL_S
        if (warmUp < SETTINGS.peers && intervals * INTERVAL_S >= WARM_UP_LIMIT_S) {
          return reject(new Error(`the tracker answered ${Math.round(warmUp)} announces in ${WARM_UP_LIMIT_S} s: too slow to be warmed up`))
        }
      }
      cpuBefore = cpu
    })
  })
}

function mean (intervals) {
  const of = key => intervals.reduce((sum, interval) => sum + interval[key], 0) / intervals.length
  return { rate: of('rate'), cpu: of('cpu'), peers: of('peers') }
}

module.exports = { load }
