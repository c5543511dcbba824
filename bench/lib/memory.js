'use strict'

// Memory of a tracker with many torrents: how much its process grows while each peer announces once over UDP.

const { setTimeout: delay } = require('node:timers/promises')
const { ours, aquaticUdp } = require('./contenders')
const { residentMemory } = require('./cores')
const { run } = require('./load')
const { whole } = require('./report')

const MILLION = 1_000_000
const TORRENTS = MILLION
const PEERS = 2 * MILLION
/** Large swarms, whose peers are kept otherwise than the few of a small one. */
const LARGE = { torrents: 10_000, peers: MILLION, seed: 2 }
const NUMWANT = 30
/** Allocators give back a while later what they do not need. */
const SETTLE_MS = 1500

const EVEN_COLUMNS = {
  runText: ({ memory, first, second, large }) => `${mib(memory)}: ${bytes(first)} for a torrent with a peer, ` +
    `${bytes(second)} for its second peer; ${bytes(large)} for a peer in swarms of ${LARGE.peers / LARGE.torrents}`,
  more: [
    ['memory', ({ memory }) => mib(memory.median)],
    ['torrent with a peer', ({ first }) => bytes(first.median)],
    ['second peer', ({ second }) => bytes(second.median)],
    ['peer of a hundred', ({ large }) => bytes(large.median)]
  ]
}

const SKEWED_COLUMNS = {
  runText: ({ memory, each }) => `${mib(memory)}: ${bytes(each)} for each peer`,
  more: [
    ['memory', ({ memory }) => mib(memory.median)],
    ['by peers', ({ each }) => bytes(each.median)]
  ]
}

function parts ({ load, aquatic }) {
  const size = `${whole(PEERS)} peers in ${whole(TORRENTS)} torrents`
  const common = {
    settings: { torrents: TORRENTS, peers: PEERS, numwant: NUMWANT },
    // It hardly varies.
    pairs: 1,
    contenders: [ours({ ws: false }), aquaticUdp(aquatic)]
  }
  return [
    {
      ...common,
      key: 'memory',
      title: `Memory: ${size}, two in each`,
      columns: EVEN_COLUMNS,
      measure: (tracker, { cores }) => measureEven(load, tracker, cores.load)
    },
    {
      ...common,
      key: 'memory-skewed',
      title: `Memory: ${size}, one in each and the others in few`,
      columns: SKEWED_COLUMNS,
      measure: (tracker, { cores }) => measureSkewed(load, tracker, cores.load)
    }
  ]
}

/**
 * `{ memory, first, second, large }`: bytes by which the process has grown in all; for a torrent with one peer, for a
 * torrent's second peer, and for a peer of a large swarm.
 */
async function measureEven (load, tracker, core) {
  const empty = await memoryOf(tracker)
  await fill(load, tracker, core, { torrents: TORRENTS, peers: TORRENTS, seed: 1 })
  const one = await memoryOf(tracker)
  await fill(load, tracker, core, { torrents: TORRENTS, peers: PEERS, seed: 1 })
  const two = await memoryOf(tracker)
  await fill(load, tracker, core, LARGE)
  const large = await memoryOf(tracker)
  return {
    memory: two - empty,
    first: (one - empty) / TORRENTS,
    second: (two - one) / (PEERS - TORRENTS),
    large: (large - two) / LARGE.peers
  }
}

/** `{ memory, each }`: bytes by which the process has grown, in all and by the number of peers. */
async function measureSkewed (load, tracker, core) {
  const empty = await memoryOf(tracker)
  await fill(load, tracker, core, { torrents: TORRENTS, peers: PEERS, seed: 1, skewed: 1 })
  const memory = await memoryOf(tracker) - empty
  return { memory, each: memory / PEERS }
}

/** Announces peers, and makes sure that the tracker has them all. */
async function fill (load, tracker, core, population) {
  await run(load, 'fill', { port: tracker.udp, ...population, rounds: 1, numwant: NUMWANT }, tracker, core)
  const { end } = await run(load, 'count', { port: tracker.udp, ...population }, tracker, core)
  if (end.peers !== population.peers || end.torrents !== population.torrents) {
    throw new Error(`the tracker has ${end.peers} peers in ${end.torrents} torrents of ${JSON.stringify(population)}`)
  }
}

async function memoryOf (tracker) {
  await delay(SETTLE_MS)
  return residentMemory(tracker.pid)
}

function mib (memory) {
  return `${(memory / 1024 / 1024).toFixed(0)} MiB`
}

function bytes (number) {
  return `${number.toFixed(0)} B`
}

module.exports = { parts }
