'use strict'

// The requests of all clients on this thread, on their way through the engine.

const { clientError } = require('../errors')
const { hold } = require('../keep-alive')
const native = require('../native')
const { carry } = require('./carrier')
const proxies = require('./proxies')
const { tlsRoots } = require('./tls-roots')

/** Results taken at a time: between two batches other work of the program gets its turn. */
const RESULTS_PER_TURN = 512

const MAX_ID = 2 ** 32 - 1

/** What is said for most requests, and told apart by nobody. */
const NO_WARNINGS = Object.freeze([])

/** Targets of requests by what they are made of; dropped when there are too many. */
const targets = new Map()
const MAX_TARGETS = 256
let lastTarget = null

const pending = new Map()
/** Of requests that agents carry. */
const aborts = new Map()
let engine = null
let lastId = 0
let users = 0
let rootsGiven = false
let release = null

/**
 * Starts a request of a tracker, `owner`; `owner._onResult(id, isAnnounce, result, done)` is called once, with what
 * `NativeResult` describes; `result.error` is an `Error`. The process stays alive until then.
 *
 * @param {string | Buffer | string[]} ask the query of an announce over HTTP, the fields of one over UDP, or the info
 *   hashes of a scrape
 * @returns {number} for {@link abort}; never 0
 */
exports.submit = function submit (owner, ask, done) {
  const { announceUrl, client } = owner
  // Before anything is begun: it throws if a program has broken its options since.
  const { proxy, agents, problem } = proxies.route(client._proxyOpts, announceUrl)
  client._useEngine()
  do lastId = lastId % MAX_ID + 1
  while (pending.has(lastId))
  const id = lastId
  release ??= hold()
  const entry = new Entry(owner, ask, done)
  pending.set(id, entry)
  try {
    if (problem !== undefined) throw problem
    const target = targetOf(announceUrl, client, proxy)
    if (agents === undefined) send(id, entry, target)
    else sendByAgents(id, ask, target, agents)
  } catch (err) {
    // Nothing was started, and the caller hears of it as of any other failure.
    process.nextTick(finish, { id, error: { message: err.message, code: err === problem ? err.code : 'ERR_TRACKER_REQUEST' }, warnings: [] })
  }
  return id
}

/** A request under way. */
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

function send (id, entry, target) {
  // Node runs up to a thousand rings in a row before it looks at timers, signals and sockets again:
  // an engine that is always ready to ring would shut them out. So each ring waits for its turn.
  engine ??= new native.NativeClient(() => setImmediate(drain))
  if (!rootsGiven) {
    if (target.url.startsWith('https:')) giveRoots()
    // Over HTTP, however the URL is spelled; what UDP asks is gone by then, and never needs certificates.
    else if (!Buffer.isBuffer(entry.ask)) entry.again = target
  }
  const { ask } = entry
  if (typeof ask === 'string') engine.announceHttp(id, target.native, ask)
  else if (Array.isArray(ask)) engine.scrape(id, target.native, ask)
  else engine.announceUdp(id, target.native, ask)
}

/** Where a request goes and how: nearly always the same as with the last one. */
function targetOf (url, { _userAgent, _requestTimeout, _minInterval, _families }, proxy) {
  const last = lastTarget
  if (last !== null && last.url === url && last.userAgent === _userAgent && last.timeoutMs === _requestTimeout &&
    last.minIntervalMs === _minInterval && last.families === _families && last.proxy === proxy) return last
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
  const entry = pending.get(id)
  if (entry !== undefined) entry.abortAt ??= performance.now() + graceMs
  // None if nothing was ever sent.
  engine?.abort(id, graceMs)
}

/** One more client uses the engine, whose threads end when as many have called {@link unuse}. */
exports.use = function use () {
  users += 1
}

exports.unuse = function unuse () {
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
  const results = engine.take(RESULTS_PER_TURN)
  if (results.length === RESULTS_PER_TURN) setImmediate(drain)
  for (const result of results) {
    try {
      finish(result)
    } catch (err) {
      // A listener's. It surfaces as in any emitter, and the other results still arrive.
      process.nextTick(() => { throw err })
    }
  }
}

function finish (result) {
  // Of an announce that went as it should.
  const isPlain = Array.isArray(result)
  const id = isPlain ? result[0] : result.id
  const entry = pending.get(id)
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
  pending.delete(id)
  if (pending.size === 0) {
    release()
    release = null
  }
  const { owner, ask, done } = entry
  owner._onResult(id, !Array.isArray(ask), isPlain ? plainResult(result) : fullResult(result), done)
}

function plainResult ([, intervalMs, complete, incomplete, peers, raw, trackerId]) {
  return {
    error: undefined,
    silent: undefined,
    announce: { complete, incomplete, peers, raw, trackerId },
    scrape: undefined,
    warningMessage: undefined,
    warnings: NO_WARNINGS,
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
