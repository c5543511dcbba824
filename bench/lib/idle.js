'use strict'

// Idle WebSocket connections: what each takes of memory, and what pings cost.

const { ours, original, aquaticWs } = require('./contenders')
const { residentMemory } = require('./cores')
const { run } = require('./load')
const { whole } = require('./report')

const SETTINGS = { sockets: 10_000, torrents: 500, offers: 10 }
/** The memory is read so long after the last announce. */
const SETTLE_S = 3
const IDLE_S = 10
/** One ping to each socket while it is measured, six times as often as by default. The original sends none. */
const PING_INTERVAL_MS = 10_000

const COLUMNS = {
  runText: ({ memory, core, opened, dropped }) => `${kib(memory)} of memory per socket, ${share(core)} of a core while idle, ` +
    `${dropped} dropped, opened in ${opened.toFixed(1)} s`,
  more: [
    ['memory per socket', ({ memory }) => kib(memory.median)],
    ['core while idle', ({ core }) => share(core.median)],
    ['dropped', ({ dropped }) => String(dropped.max)],
    ['opened in', ({ opened }) => `${opened.median.toFixed(1)} s`]
  ]
}

function idle ({ load, aquatic, original: module }) {
  return {
    key: 'idle',
    title: `WebSocket: ${whole(SETTINGS.sockets)} idle sockets in ${SETTINGS.torrents} torrents, announced once with ${SETTINGS.offers} offers`,
    settings: { ...SETTINGS, settle: SETTLE_S, seconds: IDLE_S, pingInterval: PING_INTERVAL_MS },
    columns: COLUMNS,
    // Memory hardly varies.
    pairs: 1,
    contenders: [ours({ ws: { pingInterval: PING_INTERVAL_MS } }), aquaticWs(aquatic), original(module.server, {})],
    measure: (tracker, context) => measure(load, tracker, context)
  }
}

/** `{ memory, core, opened, dropped }`: bytes per socket, share of a core while idle, seconds to open all. */
async function measure (load, tracker, { cores }) {
  const before = residentMemory(tracker.pid)
  const numbers = { ...SETTINGS, settle: SETTLE_S, seconds: IDLE_S }
  const { begin, end } = await run(load, 'idle', numbers, tracker, cores.load)
  return {
    memory: (begin.memory - before) / SETTINGS.sockets,
    core: (end.cpu - begin.cpu) / IDLE_S / 1e6,
    opened: begin.millis / 1000,
    dropped: end.dropped
  }
}

function kib (bytes) {
  return `${(bytes / 1024).toFixed(1)} KiB`
}

/** Of what is to be under a hundredth. */
function share (core) {
  return `${(core * 100).toFixed(2)} %`
}

module.exports = { idle }
