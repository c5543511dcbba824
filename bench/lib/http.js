'use strict'

// HTTP announces from wrk over kept-alive connections.

const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const { start } = require('./children')
const { onCore, cpuTime } = require('./cores')
const { fill } = require('./fill')
const { PEERS } = require('./peers')
const { population, announcePath } = require('./population')
const { ANNOUNCES } = require('./report')

const SETTINGS = { torrents: 10_000, peers: 100_000, numwant: 50, connections: 64 }
const WARM_UP_S = 2
const SAMPLES = 500
const REQUEST_LIMIT_MS = 10_000

function load (wrk) {
  const { torrents, peers, numwant, connections } = SETTINGS
  const all = population(torrents, peers)
  return {
    title: `HTTP: announces for ${torrents.toLocaleString('en')} torrents by ${peers.toLocaleString('en')} peers, ` +
      `numwant ${numwant}, compact, over ${connections} kept-alive connections`,
    settings: SETTINGS,
    columns: ANNOUNCES,
    measure: (tracker, options) => measure(wrk, all, tracker, options)
  }
}

/** `{ rate, cpu, peers, p50, p99 }`: answers per second, µs of CPU time and peers per answer, latency in µs. */
async function measure (wrk, all, tracker, { seconds, core }) {
  // Over UDP, since the original would take a minute over HTTP. The peers are the same to both.
  await fill(tracker.udp, all, SETTINGS.numwant)
  const file = path.join(PEERS, 'announce-paths')
  fs.writeFileSync(file, all.map(peer => announcePath(peer, SETTINGS.numwant) + '\n').join(''))
  await run(wrk, file, tracker.http, WARM_UP_S, core)
  const cpuBefore = cpuTime(tracker.pid)
  const { requests, duration, p50, p99 } = await run(wrk, file, tracker.http, seconds, core)
  const cpu = (cpuTime(tracker.pid) - cpuBefore) / requests
  return { rate: requests / (duration / 1e6), cpu, peers: await peersPerAnswer(tracker.http, all), p50, p99 }
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

/** The mean over some announces; wrk itself does not look into answers. */
async function peersPerAnswer (port, all) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  let sum = 0
  for (let i = 0; i < SAMPLES; i++) {
    const peer = all[Math.floor(i * all.length / SAMPLES)]
    sum += countPeers(await get({ port, agent, path: announcePath(peer, SETTINGS.numwant) }))
  }
  agent.destroy()
  return sum / SAMPLES
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

module.exports = { load }
