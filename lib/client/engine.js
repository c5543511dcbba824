'use strict'

// The requests of all clients on this thread, on their way through the engine.

const { surface } = require('../emit')
const { clientError } = require('../errors')
const { hold } = require('../keep-alive')
const native = require('../native')
const announces = require('./announces')
const { carry } = require('./carrier')
const proxies = require('./proxies')
const { tlsRoots } = require('./tls-roots')

/** Results taken at a time: between two batches other work of the program gets its turn. */
const RESULTS_PER_TURN = 512

/** How many results there are, and five numbers of each (`NativeClient.take`). */
const rows = new Float64Array(1 + 5 * RESULTS_PER_TURN)

/** What is said for most requests, and told apart by nobody. */
const NOTHING = Object.freeze([])

/** The way without a proxy. */
const DIRECT = Object.freeze({ proxy: undefined, problem: undefined })

/** Targets of requests by what they are made of; dropped when there are too many. */
const targets = new Map()
const MAX_TARGETS = 256
let lastTarget = null

/**
 * The requests under way by their numbers: an {@link Entry}, or the tracker alone if it announces and that is all
 * there is to know. No request has the number 0.
 */
const pending = [null]
/** Numbers that are used again. */
const free = []
/** Of requests that agents carry. */
const aborts = new Map()
let engine = null
let users = 0
let rootsGiven = false
let release = null

/** A request under way, told from a tracker by `isEntry`: `instanceof` leaves compiled code. */
class Entry {
  constructor (owner, ask, done) {
    this.owner = owner
    this.ask = ask
    this.done = done
    /** Where it went, if it has to go again when there are certificates. */
    this.again = null
    this.abortAt = undefined
  }
}
Entry.prototype.isEntry = true

/**
 * Starts a request of a tracker, `owner`; `owner._onResult(id, isAnnounce, result, done)` is called once, with what
 * `NativeResult` describes; `result.error` is an `Error`. The process stays alive until then.
 *
 * @param {string | string[]} ask the query of an announce over HTTP, or the info hashes of a scrape
 * @returns {number} for {@link abort}; never 0
 */
exports.submit = function submit (owner, ask, done) {
  const { announceUrl, client } = owner
  // Before anything is begun: it throws if a program has broken its options since.
  const { proxy, agents, problem } = proxies.route(client._proxyOpts, announceUrl)
  const entry = new Entry(owner, ask, done)
  const id = begin(client, entry)
  try {
    if (problem !== undefined) throw problem
    const target = targetOf(announceUrl, client, proxy)
    if (agents === undefined) send(id, entry, target)
    else sendByAgents(id, ask, target, agents)
  } catch (err) {
    failed(id, err)
  }
  return id
}

/**
 * Starts an announce over UDP, likewise. If it goes as it should, `owner._onPlainResult(id, intervalMs, answer, done)`
 * is called. It leaves with others to the same tracker: when this turn of the program ends, or there are many.
 */
exports.announceUdp = function announceUdp (owner, opts, done) {
  const { announceUrl, client } = owner
  const { proxy, problem } = client._proxyOpts === undefined ? DIRECT : proxies.route(client._proxyOpts, announceUrl)
  const id = begin(client, done === undefined ? owner : new Entry(owner, null, done))
  try {
    if (problem !== undefined) throw problem
    const target = targetOf(announceUrl, client, proxy)
    if (announces.add(id, client, opts, target, handOver) === 1) queueMicrotask(handOver)
  } catch (err) {
    failed(id, err)
  }
  return id
}

/** A number for a request, under which it is found again. */
function begin (client, entry) {
  if (!client._usesEngine) {
    client._usesEngine = true
    users += 1
  }
  release ??= hold()
  const id = free.pop() ?? pending.length
  pending[id] = entry
  return id
}

// Nothing was started, and the caller hears of it as of any other failure.
function failed (id, err) {
  const code = err.code?.startsWith?.('ERR_TRACKER_') ? err.code : 'ERR_TRACKER_REQUEST'
  process.nextTick(finish, { id, error: { message: err.message, code }, warnings: [] })
}

/** The announces that have been laid out are the engine's now. */
function handOver () {
  if (announces.isEmpty()) return
  const { target, laidOut } = announces.take()
  try {
    start()
    engine.announceUdp(target.native, laidOut)
  } catch (err) {
    for (const id of announces.idsOf(laidOut)) failed(id, err)
  }
}

// Node runs up to a thousand rings in a row before it looks at timers, signals and sockets again:
// an engine that is always ready to ring would shut them out. So each ring waits for its turn.
function start () {
  engine ??= new native.NativeClient(() => setImmediate(drain))
}

function send (id, entry, target) {
  start()
  if (!rootsGiven) {
    if (target.url.startsWith('https:')) giveRoots()
    // Over HTTP, however the URL is spelled; UDP never needs certificates.
    else entry.again = target
  }
  // What was asked before goes before.
  handOver()
  const { ask } = entry
  if (typeof ask === 'string') engine.announceHttp(id, target.native, ask)
  else engine.scrape(id, target.native, ask)
}

/** Where a request goes and how: nearly always the same as with the last one. */
function targetOf (url, client, proxy) {
  const last = lastTarget
  if (last !== null && last.url === url && last.userAgent === client._userAgent &&
    last.timeoutMs === client._requestTimeout && last.minIntervalMs === client._minInterval &&
    last.families === client._families && last.proxy === proxy) return last
  return findTarget(url, client, proxy)
}

function findTarget (url, { _userAgent, _requestTimeout, _minInterval, _families }, proxy) {
  const key = JSON.stringify([url, _userAgent, _requestTimeout, _minInterval, _families, proxy])
  let target = targets.get(key)
  if (target === undefined) {
    target = {
      url,
      userAgent: _userAgent,
      timeoutMs: _requestTimeout,
      minIntervalMs: _minInterval,
      families: _families,
      proxy,
      native: null
    }
    target.native = new native.NativeTarget(target)
    if (targets.size >= MAX_TARGETS) targets.clear()
    targets.set(key, target)
  }
  lastTarget = target
  return target
}

/** Ends a request after some milliseconds, if it is not done by then; its `done` is called all the same. */
exports.abort = function abort (id, graceMs) {
  const abort = aborts.get(id)
  if (abort !== undefined) return abort(graceMs)
  const entry = pending[id]
  if (entry?.isEntry === true) entry.abortAt ??= performance.now() + graceMs
  // It may be one of these.
  handOver()
  // None if nothing was ever sent.
  engine?.abort(id, graceMs)
}

/** A client that is destroyed has no more use for the engine, whose threads end with the last. */
exports.unuse = function unuse (client) {
  if (!client._usesEngine) return
  client._usesEngine = false
  users -= 1
  if (users === 0) engine?.release()
}

function sendByAgents (id, ask, target, agents) {
  const controller = new AbortController()
  let timer
  aborts.set(id, graceMs => {
    timer ??= setTimeout(() => controller.abort(), graceMs)
  })
  carry(id, ask, target, agents, controller.signal).then(result => {
    aborts.delete(id)
    clearTimeout(timer)
    // A listener's error surfaces as in any emitter, and not as a rejection.
    process.nextTick(finish, result)
  })
}

function drain () {
  const others = engine.take(rows)
  const count = rows[0]
  if (count === RESULTS_PER_TURN) setImmediate(drain)
  for (let at = 1; at <= 5 * count; at += 5) {
    try {
      // Before 1 nothing but numbers, from 1 on its peers, below 0 a result of another kind.
      const other = rows[at + 4]
      if (other < 0) {
        finish(others[-1 - other])
        continue
      }
      // An announce over UDP that went as it should.
      const id = rows[at]
      const entry = pending[id]
      ended(id)
      // NaN if the tracker has named none.
      const intervalMs = rows[at + 1] >= 0 ? rows[at + 1] : undefined
      const peers = other === 0 ? NOTHING : others[other - 1]
      const answer = { complete: rows[at + 2], incomplete: rows[at + 3], peers }
      if (entry.isEntry === true) entry.owner._onPlainResult(id, intervalMs, answer, entry.done)
      else entry._onPlainResult(id, intervalMs, answer)
    } catch (err) {
      // A listener's. The other results still arrive.
      surface(err)
    }
  }
}

function finish (result) {
  // Of an announce over HTTP that went as it should.
  const isPlain = Array.isArray(result)
  const id = isPlain ? result[0] : result.id
  const entry = pending[id]
  if (entry.isEntry !== true) {
    ended(id)
    return entry._onResult(id, true, fullResult(result))
  }
  // A redirect from http: to https: is the first that is heard of TLS.
  if (!isPlain && result.error?.code === 'ERR_TRACKER_TLS_ROOTS' && entry.again !== null) {
    const target = entry.again
    entry.again = null
    giveRoots()
    send(id, entry, target)
    // Its end was called for while it was on the way to the redirect.
    if (entry.abortAt !== undefined) engine.abort(id, Math.max(0, Math.ceil(entry.abortAt - performance.now())))
    return
  }
  ended(id)
  const { owner, ask, done } = entry
  owner._onResult(id, !Array.isArray(ask), isPlain ? plainResult(result) : fullResult(result), done)
}

function ended (id) {
  pending[id] = null
  free.push(id)
  // Number 0 is nobody's.
  if (free.length < pending.length - 1) return
  release()
  release = null
}

function plainResult ([, intervalMs, complete, incomplete, peers, raw, trackerId]) {
  return {
    error: undefined,
    silent: undefined,
    announce: { complete, incomplete, peers, raw, trackerId },
    scrape: undefined,
    warningMessage: undefined,
    warnings: NOTHING,
    intervalMs
  }
}

function fullResult ({ error, announce, scrape, warningMessage, warnings, intervalMs }) {
  return {
    error: error && clientError(error),
    silent: error?.silent,
    announce,
    scrape,
    warningMessage,
    warnings: warnings.map(clientError),
    intervalMs
  }
}

function giveRoots () {
  if (rootsGiven) return
  rootsGiven = true
  engine.setTlsRoots(tlsRoots())
}
