'use strict'

// HTTP announces from wrk over kept-alive connections.

const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const { start } = require('./children')
const { ours, original, aquaticHttp, nginx } = require('./contenders')
const { onCore, bind, cpuTime } = require('./cores')
const { fill } = require('./fill')
const { PEERS } = require('./peers')
const { population, announcePath } = require('./population')
const { ANNOUNCES, percent, whole } = require('./report')

const SETTINGS = { torrents: 10_000, peers: 100_000, numwant: 50, connections: 64 }
const WARM_UP_S = 1
const SAMPLES = 500
const REQUEST_LIMIT_MS = 10_000

/** For all peers to announce once over HTTP, to begin with and at most. */
const FILL_S = 5
const FILL_LIMIT_S = 60

const OPTIONS = { ws: false }

const COLUMNS = {
  ...ANNOUNCES,
  runText: run => `${ANNOUNCES.runText(run)}, the load used ${percent(run.loadCore)} of its core`,
  more: [
    ...ANNOUNCES.more,
    ['bytes/answer', ({ bytes }) => whole(bytes.median)],
    ['load core', ({ loadCore }) => percent(loadCore.median)]
  ]
}

function parts ({ wrk, nginx: nginxFile, aquatic, original: module }) {
  const { torrents, peers, numwant, connections } = SETTINGS
  const all = population(torrents, peers)
  return [{
    key: 'http',
    title: `HTTP: announces for ${torrents.toLocaleString('en')} torrents by ${peers.toLocaleString('en')} peers, ` +
      `numwant ${numwant}, compact, over ${connections} kept-alive connections`,
    settings: SETTINGS,
    columns: COLUMNS,
    contenders: [
      ours(OPTIONS),
      { ...nginx(nginxFile), isConstant: true },
      // Its two threads hold each other up on one core, so long that it is only bound to it when it knows all peers.
      { ...aquaticHttp(aquatic), cores: 'all', isBoundLater: true },
      // The slowest to fill, and far from its goal.
      original(module.server, OPTIONS, { pairs: 3 }),
      // With a core for each of them it is quicker, and by CPU time the better one to compare with.
      { ...aquaticHttp(aquatic), key: 'both cores', name: 'aquatic_http, on both cores', cores: 'all', pairs: 1 },
      // No goal is about these.
      // Its statistics page, on by default, lists all torrents at every HTTP request.
      original(module.server, { ...OPTIONS, stats: false }, { key: 'stats off', name: 'original, stats off', pairs: 1 }),
      ours(OPTIONS, { key: 'listeners', name: 'ours, listeners on every event', use: 'listeners', pairs: 1 }),
      ours(OPTIONS, { key: 'filter', name: 'ours, a filter that allows', use: 'filter', pairs: 1 })
    ],
    measure: (tracker, context) => measure(wrk, all, tracker, context)
  }]
}

/**
 * `{ rate, cpu, peers, bytes, loadCore, p50, p99 }`: answers per second; µs of CPU time, peers and bytes of the body
 * per answer; share of its core that the load used; latency in µs.
 */
async function measure (wrk, all, tracker, { seconds, cores, contender, bytes }) {
  const file = path.join(PEERS, 'announce-paths')
  fs.writeFileSync(file, all.map(peer => announcePath(peer, SETTINGS.numwant) + '\n').join(''))
  const go = seconds => run(wrk, file, tracker.http, seconds, cores.load)
  // Over UDP where there is UDP, since the original would take a minute over HTTP. The peers are the same to all. With
  // few peers in the answers, which nobody reads, the original takes half as long.
  if (tracker.udp) await fill(tracker.udp, all, 1)
  else if (!contender.isConstant) await fillOverHttp(go, all.length)
  if (contender.isBoundLater) bind(tracker.pid, cores.tracker)
  await go(WARM_UP_S)
  const cpuBefore = cpuTime(tracker.pid)
  const { requests, duration, loadCpu, p50, p99 } = await go(seconds)
  const cpu = (cpuTime(tracker.pid) - cpuBefore) / requests
  const answers = contender.isConstant ? { peers: 0, bytes } : await sample(tracker.http, all)
  return { rate: requests / (duration / 1e6), cpu, ...answers, loadCore: loadCpu / duration, p50, p99 }
}

/** wrk begins with the first peer each time, and can only be told for how long to go on. */
async function fillOverHttp (go, peers) {
  let seconds = FILL_S
  for (;;) {
    const { requests } = await go(seconds)
    if (requests >= peers) return
    seconds = Math.ceil(1.2 * seconds * peers / requests)
    if (seconds > FILL_LIMIT_S) throw new Error(`the tracker took ${requests} peers: too slow to be filled`)
  }
}

async function run (wrk, file, port, seconds, core) {
  const child = start(...onCore(core, wrk, [
    '-t', '1', '-c', String(SETTINGS.connections), '-d', `${seconds}s`, '--timeout', '30s',
    '-s', path.join(__dirname, 'announce.lua'), `http://127.0.0.1:${port}`, '--', file
  ]), { limit: (seconds + 30) * 1000 })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', text => { output += text })
  const how = await child.ended
  const summary = /^summary (.*)$/m.exec(output)
  if (!summary) throw new Error(`wrk ${how}\n${output}`)
  const { failures, ...counts } = JSON.parse(summary[1])
  if (counts.requests === 0 || Object.values(failures).some(count => count > 0)) {
    throw new Error(`HTTP requests failed: ${JSON.stringify(failures)} of ${counts.requests}`)
  }
  return counts
}

/** `{ peers, bytes }` of an answer, the means over some announces; wrk itself does not look into answers. */
async function sample (port, all) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  let [peers, bytes] = [0, 0]
  for (let i = 0; i < SAMPLES; i++) {
    const peer = all[Math.floor(i * all.length / SAMPLES)]
    const body = await get({ port, agent, path: announcePath(peer, SETTINGS.numwant) })
    peers += countPeers(body)
    bytes += body.length
  }
  agent.destroy()
  return { peers: peers / SAMPLES, bytes: bytes / SAMPLES }
}

function get (options) {
  return new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', timeout: REQUEST_LIMIT_MS, ...options }, response => {
      const chunks = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => resolve(Buffer.concat(chunks).toString('latin1')))
    }).on('error', reject).on('timeout', function () { this.destroy(new Error('the tracker does not answer')) })
  })
}

function countPeers (body) {
  const length = Number(/5:peers(\d+):/.exec(body)?.[1])
  if (!/^d8:complete/.test(body) || !(length % 6 === 0)) throw new Error(`no compact answer: ${JSON.stringify(body)}`)
  return length / 6
}

module.exports = { parts }
