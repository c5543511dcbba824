'use strict'

// What this tracker has to reach, each goal against a contender of the same run.

const { CORE_FULL, spread, times, percent, micros } = require('./report')

/** Fewer peers or offers than this share of the other's would be no speed. */
const SAME_WORK = 0.97

/** A server that nobody uses: one tick of the clock by which processor time is counted, in ten seconds. */
const IDLE_CORE = 0.001

/** Idle sockets are pinged so many times as often as by default, to measure in ten seconds what a minute takes. */
const PINGS = 6

// `part` is the table that the goal is about (see modes.js). `measure` gets its rows by key, and returns
// `{ value, text, met }`, or `null` where a contender is missing.
const GOALS = [
  goal('udp', 'UDP announces against aquatic_udp', ahead(1, 'aquatic_udp', { work: 'peers' })),
  goal('udp', 'UDP announces against the recvmmsg/sendmmsg floor', ahead(0.9, 'floor', { work: 'peers' })),
  goal('udp', 'UDP announces against the original', ahead(9, 'original', { work: 'peers' })),
  goal('udp', 'UDP, listeners on all events, against the original', ahead(5, 'original', { work: 'peers', who: 'listeners' })),
  goal('udp', 'UDP, a filter in JavaScript, against the original', ahead(3, 'original', { work: 'peers', who: 'filter' })),
  goal('udp', 'CPU per answer of two tracker cores against one', within(0.1, 'threads')),
  goal('quiet', 'CPU of a server that nobody uses', atMost(IDLE_CORE, 'core', ofCore)),
  goal('http', 'HTTP announces against nginx with a constant body', ahead(0.85, 'nginx', { work: 'bytes' })),
  goal('http', 'HTTP announces against aquatic_http', ahead(5, 'aquatic_http', { work: 'peers' })),
  goal('http', 'HTTP announces against aquatic_http on both cores, by CPU', ahead(1, 'both cores', { work: 'peers', by: 'cpu' })),
  goal('http', 'HTTP announces against the original', ahead(30, 'original', { work: 'peers' })),
  goal('ws', 'WebSocket messages against aquatic_ws', ahead(1.6, 'aquatic_ws', { work: 'offers', by: 'cpu' })),
  goal('ws', 'WebSocket messages against the original', ahead(2.8, 'original', { work: 'offers', by: 'cpu' })),
  goal('ws', 'WebSockets dropped', atMost(0, 'dropped', String)),
  goal('idle', 'memory of an idle WebSocket', atMost(6 * 1024, 'memory', kib)),
  goal('idle', 'CPU for pings to 10,000 idle WebSockets, one a minute each', atMost(0.01 * PINGS, 'core', core => ofCore(core / PINGS))),
  goal('idle', 'idle WebSockets dropped', atMost(0, 'dropped', String)),
  ...['udp', 'http'].flatMap(transport => [
    goal(`client-${transport}`, `announces of 10,000 clients over ${transport.toUpperCase()} against the original's`,
      ahead(8, 'original', { by: 'rate' })),
    goal(`client-${transport}`, `memory of 10,000 clients over ${transport.toUpperCase()} against the original's`,
      lessThan(1 / 3, 'original', 'memory')),
    goal(`client-${transport}`, `announces of 10,000 clients over ${transport.toUpperCase()} that failed`,
      atMost(0, 'failed', String))
  ]),
  goal('memory', 'memory of 2,000,000 peers in even swarms against aquatic_udp\'s', lessThan(1, 'aquatic_udp', 'memory')),
  goal('memory-skewed', 'memory of 2,000,000 peers in uneven swarms against aquatic_udp\'s',
    lessThan(1, 'aquatic_udp', 'memory')),
  goal('latency', 'p99 of a second of announces during expiry against without', lessThan(2, 'ours', 'second99', 'expiry')),
  goal('latency', 'p99.9 of a second of announces during expiry against without', lessThan(2, 'ours', 'second999', 'expiry')),
  goal('latency', 'p99 of announces during expiry against aquatic_udp\'s', lessThan(1, 'aquatic_udp', 'p99', 'expiry'))
]

function goal (part, name, judgement) {
  return { part, name, ...judgement }
}

/** `who` is at least `least` times as fast as `other`, and does as much for it: figure `work` says how much. */
function ahead (least, other, { work, who = 'ours', by }) {
  return {
    needed: `≥ ${least} x`,
    measure: rows => {
      if (!rows[who] || !rows[other]) return null
      const [mine, theirs] = [rows[who], rows[other]]
      // Where a tracker had time left, rates compare the load with itself.
      const isCpu = by ? by === 'cpu' : [mine, theirs].some(({ coreUsed }) => coreUsed.median < CORE_FULL)
      const value = pairwise(mine, theirs, isCpu)
      const isFair = !work || mine[work].median >= SAME_WORK * theirs[work].median
      const text = `${times(value)} by ${isCpu ? 'CPU time' : 'rate'}${isFair ? '' : `, but fewer ${work}`}`
      return { value, text, met: value >= least && isFair }
    }
  }
}

/** No run of ours has more of a figure than `most`. */
function atMost (most, figure, print) {
  return {
    needed: most === 0 ? 'none' : `≤ ${print(most)}`,
    measure: ({ ours }) => {
      if (!ours) return null
      const value = ours[figure].max
      return { value, text: print(value), met: value <= most }
    }
  }
}

/** Ours has at most so much of a figure as a share of the other's. */
function lessThan (share, other, figure, who = 'ours') {
  const print = value => value >= 0.995 ? times(value) : `${(value * 100).toFixed(0)} %`
  return {
    needed: `≤ ${print(share)}`,
    measure: rows => {
      if (!rows[who] || !rows[other]) return null
      const theirs = rows[other][figure].median
      const value = rows[who][figure].median / theirs
      // A percentile of what was answered, for instance, where that much was not.
      const text = theirs === Infinity ? 'theirs was lost' : print(value)
      return { value, text, met: value <= share }
    }
  }
}

function kib (bytes) {
  return `${(bytes / 1024).toFixed(1)} KiB`
}

function ofCore (share) {
  return `${(share * 100).toFixed(2)} % of a core`
}

function pairwise (mine, theirs, isCpu) {
  // Some take part in the first pairs alone.
  const pairs = mine.runs.slice(0, theirs.runs.length).map((run, i) => [run, theirs.runs[i]])
  return spread(pairs.map(([my, their]) => isCpu ? their.cpu / my.cpu : my.rate / their.rate)).median
}

/** Ours and `other` take the same CPU time for an answer, give or take a share. */
function within (share, other) {
  return {
    needed: `within ${percent(share)}`,
    measure: rows => {
      if (!rows.ours || !rows[other]) return null
      const value = rows[other].cpuRatio.median
      const [one, two] = [rows.ours, rows[other]].map(({ cpu }) => micros(cpu.median))
      return { value, text: `${times(value)} (${two} against ${one})`, met: Math.abs(value - 1) <= share }
    }
  }
}

/** The goals about these parts: `{ part, name, needed, value, text, met }`. What was not measured is not judged. */
function judge (parts) {
  return GOALS.flatMap(({ part, name, needed, measure }) => {
    if (!parts[part]) return []
    const rows = Object.fromEntries(parts[part].rows.map(row => [row.key, row]))
    const result = measure(rows)
    return result ? [{ part, name, needed, ...result }] : []
  })
}

module.exports = { judge }
