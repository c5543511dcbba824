'use strict'

// WebTorrent peers from the load tool in bench/load: busy ones, and many idle ones.

const readline = require('node:readline')
const { start } = require('./children')
const { onCore, cpuTime, residentMemory } = require('./cores')
const { whole, percent, micros, millis } = require('./report')

// Two torrents: each swarm has more peers than an announce has offers, so that each offer finds a peer.
const SETTINGS = { sockets: 64, torrents: 2, offers: 10, answer_every: 2 }
const WARM_UP_S = 2

const IDLE = { sockets: 10_000, torrents: 500, offers: 10 }
/** The memory is read so long after the last announce. */
const SETTLE_S = 3
const IDLE_S = 10
/** One ping to each socket while it is measured, six times as often as by default. */
const PING_INTERVAL_MS = 10_000

const COLUMNS = {
  rate: 'messages/s',
  cpu: 'CPU/message',
  runText: ({ cpu, offers, p50, p99, p999, dropped, loadCore }) => [
    `${micros(cpu)} of CPU each`, `${offers.toFixed(2)} offers passed on per announce`,
    `announces answered in ${millis(p50)} (99 %: ${millis(p99)}, 99.9 %: ${millis(p999)})`,
    `${dropped} sockets dropped`, `the load used ${percent(loadCore)} of its core`
  ].join(', '),
  more: [
    ['per CPU second', ({ cpu }) => whole(1e6 / cpu.median)],
    ['offers/announce', ({ offers }) => offers.median.toFixed(2)],
    ['p50', ({ p50 }) => millis(p50.median)],
    ['p99', ({ p99 }) => millis(p99.median)],
    ['p99.9', ({ p999 }) => millis(p999.median)],
    ['dropped', ({ runs }) => String(runs.reduce((sum, { dropped }) => sum + dropped, 0))],
    ['load core', ({ loadCore }) => percent(loadCore.median)]
  ]
}

/** From this share of its core on the load may be what held a tracker up. */
const LOAD_FULL = 0.95

function load (tool) {
  const { sockets, torrents, offers, answer_every: answerEvery } = SETTINGS
  return {
    title: `WebSocket: messages to ${sockets} sockets in ${torrents} torrents that announce with ${offers} offers ` +
      `and answer every ${answerEvery === 2 ? 'second' : `${answerEvery}th`} offer`,
    settings: { ...SETTINGS, idle: { ...IDLE, seconds: IDLE_S, pingInterval: PING_INTERVAL_MS } },
    columns: COLUMNS,
    remark,
    measure: (tracker, options) => measure(tool, tracker, options),
    idle: {
      title: `WebSocket: ${whole(IDLE.sockets)} idle sockets in ${IDLE.torrents} torrents, announced once with ${IDLE.offers} offers`,
      // The original sends no pings, and does not know the option.
      options: { ws: { pingInterval: PING_INTERVAL_MS } },
      measure: (tracker, options) => measureIdle(tool, tracker, options),
      line: idleLine
    }
  }
}

/** What the table cannot be read without, or nothing. */
function remark (rows) {
  const held = rows.filter(({ loadCore }) => loadCore.median > LOAD_FULL).map(({ name }) => name)
  if (held.length > 0) return `The load was at its own limit with: ${held.join(', ')}. Only the figures by CPU say something there.`
}

/**
 * `{ rate, cpu, offers, p50, p99, p999, dropped, loadCore }`: messages per second, µs of CPU time per
 * message, offers passed on per announce, latency of announces in µs, sockets that the tracker closed or
 * left without an answer, share of its core that the load used.
 */
async function measure (tool, tracker, { seconds, core }) {
  const { begin, end } = await run(tool, 'load', { ...SETTINGS, warm_up: WARM_UP_S, seconds }, tracker, core)
  const { micros: elapsed, responses, offers, answers, wrong, dropped, lost, p50, p99, p999 } = end
  if (wrong > 0) throw new Error(`${wrong} messages were wrong`)
  const messages = responses + offers + answers
  return {
    rate: messages / elapsed * 1e6,
    cpu: (end.cpu - begin.cpu) / messages,
    offers: offers / responses,
    p50,
    p99,
    p999,
    dropped: dropped + lost,
    loadCore: (end.loadCpu - begin.loadCpu) / elapsed
  }
}

/** `{ memory, cpu, seconds, dropped }`: bytes of memory and, while idle, µs of CPU time, per socket. */
async function measureIdle (tool, tracker, { core }) {
  const before = residentMemory(tracker.pid)
  const { begin, end } = await run(tool, 'idle', { ...IDLE, settle: SETTLE_S, seconds: IDLE_S }, tracker, core)
  return {
    memory: (begin.memory - before) / IDLE.sockets,
    cpu: (end.cpu - begin.cpu) / IDLE.sockets,
    seconds: IDLE_S,
    opened: begin.millis / 1000,
    dropped: end.dropped
  }
}

function idleLine ({ name }, { memory, cpu, seconds, opened, dropped }) {
  return `  ${name}: ${(memory / 1024).toFixed(1)} KiB of memory per socket; idle for ${seconds} s: ` +
    `${(cpu * IDLE.sockets / 1000).toFixed(0)} ms of CPU in all; ${dropped} dropped; opened in ${opened.toFixed(1)} s`
}

/** What the tool prints at the begin and at the end, and what both processes had used by then. */
async function run (tool, mode, numbers, tracker, core) {
  const settings = Object.entries({ port: tracker.http, ...numbers }).map(([key, number]) => `${key}=${number}`)
  // Node has raised the limit of open files as far as it may, and the child inherits that.
  const child = start(...onCore(core, tool, [mode, ...settings]), { limit: (numbers.seconds + 120) * 1000 })
  try {
    return await new Promise((resolve, reject) => {
      const stages = {}
      readline.createInterface({ input: child.stdout }).on('line', line => {
        const { at, ...counts } = JSON.parse(line)
        stages[at] = {
          ...counts, cpu: cpuTime(tracker.pid), loadCpu: cpuTime(child.pid), memory: residentMemory(tracker.pid)
        }
        if (at === 'end') resolve(stages)
      })
      child.ended.then(how => reject(new Error(`the WebSocket load tool ${how}`)))
    })
  } finally {
    child.kill('SIGKILL')
    const how = await child.ended
    if (/: ./.test(how)) console.error(`  load tool: ${how}`)
  }
}

module.exports = { load }
