'use strict'

// UDP announces from the load tool of the aquatic tracker. It keeps the tracker busy with at most a
// tenth of its requests unanswered, and uses a whole core for itself.

const fs = require('node:fs')
const path = require('node:path')
const readline = require('node:readline')
const { start } = require('./children')
const { ours, original, aquaticUdp, udpFloor } = require('./contenders')
const { onCore, cpuTime } = require('./cores')
const { PEERS } = require('./peers')
const { quiet } = require('./quiet')
const { ANNOUNCES } = require('./report')

/** The tool reports in this rhythm; it is not an option. */
const INTERVAL_S = 5

/** The share of peers that have to be known; waiting for the last ones would often take another interval. */
const KNOWN = 0.95

/** A tracker that needs longer for the warm-up cannot be measured: connection ids end after two minutes. */
const WARM_UP_LIMIT_S = 80

/** The tool's defaults, but for the sockets and for what it asks: announces alone. */
const SETTINGS = { torrents: 1_000_000, peers: 2_000_000, numwant: 30, sockets: 16 }

// The tool's torrents keep their sizes when both numbers shrink alike (the largest has some 700 peers): answers stay
// as long, and there are few enough peers to make a slow tracker know them all before it is measured.
const FEW = { ...SETTINGS, torrents: 15_000, peers: 30_000 }

/** Runs of what is far from its goal, whatever the noise: the benchmark has to end in 20 minutes. */
const FAR_PAIRS = 3

/** With these ours knows them all within the first fifth of a second. */
const FEW_TO_OURS = { population: FEW, warmUp: 0, pairs: FAR_PAIRS }

/** An announce's answer without peers, and each peer in it (BEP 15). */
const ANSWER_BYTES = 20
const PEER_BYTES = 6

const OPTIONS = { ws: false }

function parts ({ loadTest, aquatic, load, original: module }) {
  const { torrents, peers, numwant, sockets } = SETTINGS
  return [{
    key: 'udp',
    title: `UDP: announces for ${torrents.toLocaleString('en')} torrents by ${peers.toLocaleString('en')} peers, ` +
      `numwant ${numwant}, from ${sockets} sockets (few peers: ${FEW.peers.toLocaleString('en')})`,
    settings: { ...SETTINGS, few: FEW },
    columns: ANNOUNCES,
    contenders: [
      ours(OPTIONS),
      aquaticUdp(aquatic),
      // It knows nobody, so there is nothing to fill.
      { ...udpFloor(load), warmUp: 0 },
      // The load is on both cores too: with one of its threads each of ours has as much to do as the other.
      ours({ ...OPTIONS, threads: 2 },
        { key: 'threads', name: 'ours, two threads on both cores', cores: 'all', loadThreads: 2 }),
      original(module.server, OPTIONS, { name: 'original, few peers', population: FEW, pairs: FAR_PAIRS }),
      ours(OPTIONS,
        { key: 'listeners', name: 'ours, listeners on every event, few peers', use: 'listeners', ...FEW_TO_OURS }),
      ours(OPTIONS,
        { key: 'filter', name: 'ours, a filter that allows, few peers', use: 'filter', ...FEW_TO_OURS })
    ],
    measure: (tracker, context) => measure(loadTest, tracker, context)
  }, quiet()]
}

/** `{ rate, cpu, peers, bytes }`: announces answered per second; µs of CPU time, peers and bytes per answer. */
async function measure (tool, tracker, { seconds, cores, contender }) {
  const population = contender.population ?? SETTINGS
  const file = path.join(PEERS, 'load.toml')
  const limit = WARM_UP_LIMIT_S + seconds + 2 * INTERVAL_S
  const intervals = { wanted: Math.ceil(seconds / INTERVAL_S), warmUp: contender.warmUp ?? KNOWN * population.peers }
  fs.writeFileSync(file, config(tracker.udp, population, contender.loadThreads ?? 1, limit))
  const child = start(...onCore(contender.cores === 'all' ? cores.all : cores.load, tool, ['-c', file]), { limit: (limit + 15) * 1000 })
  try {
    return await Promise.race([
      readIntervals(child, tracker, intervals),
      child.ended.then(how => { throw new Error(`the UDP load tool ${how}`) })
    ])
  } finally {
    child.kill('SIGKILL')
    await child.ended
  }
}

function config (port, { torrents, peers, numwant, sockets }, threads, duration) {
  return `
    server_address = "127.0.0.1:${port}"
    workers = ${threads}
    duration = ${duration}
    extra_statistics = false
    [network]
    sockets_per_worker = ${sockets / threads}
    [requests]
    number_of_torrents = ${torrents}
    number_of_peers = ${peers}
    announce_peers_wanted = ${numwant}
    weight_connect = 0
    weight_announce = 1
    weight_scrape = 0
    `
}

/** Leaves out intervals until there were `warmUp` answers, then takes `wanted` of them. */
function readIntervals (child, tracker, { wanted, warmUp }) {
  return new Promise((resolve, reject) => {
    const taken = []
    let [announces, errors, answered, intervals, cpuBefore] = [0, 0, 0, 0, cpuTime(tracker.pid)]
    readline.createInterface({ input: child.stdout }).on('line', line => {
      const [, name, text] = /^\s*-?\s*([A-Z][a-z ]+):\s+([\d.]+|NaN)(?:\/second)?$/.exec(line) ?? []
      if (name === 'Announce responses') announces = Number(text)
      if (name === 'Error responses') errors = Number(text)
      // The last line of an interval.
      if (name !== 'Peers per announce response') return

      intervals++
      if (errors > 0) return reject(new Error('the tracker answered with errors'))
      const cpu = cpuTime(tracker.pid)
      if (answered >= warmUp) {
        taken.push({ rate: announces, cpu: (cpu - cpuBefore) / (announces * INTERVAL_S), peers: Number(text) })
        if (taken.length === wanted) return resolve(mean(taken))
      } else {
        answered += announces * INTERVAL_S
        if (answered < warmUp && intervals * INTERVAL_S >= WARM_UP_LIMIT_S) {
          return reject(new Error(`the tracker answered ${Math.round(answered)} announces in ${WARM_UP_LIMIT_S} s: too slow to be warmed up`))
        }
      }
      cpuBefore = cpu
    })
  })
}

function mean (intervals) {
  const of = key => intervals.reduce((sum, interval) => sum + interval[key], 0) / intervals.length
  return { rate: of('rate'), cpu: of('cpu'), peers: of('peers'), bytes: ANSWER_BYTES + PEER_BYTES * Math.round(of('peers')) }
}

module.exports = { parts }
