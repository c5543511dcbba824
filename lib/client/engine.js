'use strict'

// The requests of all clients on this thread, on their way through the engine.

const { clientError } = require('../errors')
const { hold } = require('../keep-alive')
const native = require('../native')
const { carry } = require('./carrier')
const { tlsRoots } = require('./tls-roots')

/** Results taken at a time: between two batches other work of the program gets its turn. */
const RESULTS_PER_TURN = 512

const MAX_ID = 2 ** 32

/** What is said for most requests, and told apart by nobody. */
const NO_WARNINGS = Object.freeze([])

/** An announce as `NativeClient.announce` reads it. */
const fields = Buffer.alloc(75)
const EVENTS = { started: 1, completed: 2, stopped: 3, paused: 4 }

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
 * Starts a request; `owner._onResult(id, result, request, done)` is called once, with what `NativeResult`
 * describes; `result.error` is an `Error`. The process stays alive until then.
 *
 * @param {object} route the way that it takes, by `proxies.route`; `request.proxy` is set already
 * @returns {number} for {@link abort}
 */
exports.submit = function submit (request, route, owner, done) {
  // Node runs up to a thousand rings in a row before it looks at timers, signals and sockets again:
  // an engine that is always ready to ring would shut them out. So each ring waits for its turn.
  const isDirect = route.agents === undefined && route.problem === undefined
  if (isDirect) engine ??= new native.NativeClient(() => setImmediate(drain))
  if (isDirect && !rootsGiven && request.url.startsWith('https:')) giveRoots()
  do lastId = (lastId + 1) % MAX_ID
  while (pending.has(lastId))
  const id = lastId
  release ??= hold()
  pending.set(id, { request, owner, done, triedWithRoots: rootsGiven, abortAt: undefined })
  if (route.agents !== undefined) {
    submitToAgents(id, request, route.agents)
    return id
  }
  try {
    if (route.problem !== undefined) throw route.problem
    send(id, request)
  } catch (err) {
    // Nothing was started, and the caller hears of it as of any other failure.
    process.nextTick(finish, { id, error: { message: err.message, code: err === route.problem ? err.code : 'ERR_TRACKER_REQUEST' }, warnings: [] })
  }
  return id
}

/** Announces go in one piece: they are made in their thousands, and reading an object costs more than its announce. */
function send (id, request) {
  const { announce } = request
  if (announce === undefined) return engine.submit(id, request)
  fields.set(announce.infoHash, 0)
  fields.set(announce.peerId, 20)
  fields.writeDoubleLE(announce.downloaded, 40)
  fields.writeDoubleLE(announce.uploaded, 48)
  fields.writeDoubleLE(announce.left ?? NaN, 56)
  fields.writeUInt32LE(announce.key, 64)
  fields.writeInt32LE(announce.numwant, 68)
  fields.writeUInt16LE(announce.port, 72)
  fields[74] = EVENTS[announce.event] ?? 0
  engine.announce(id, targetOf(request), fields, announce.query)
}

/** Where a request goes and how, as the engine keeps it: nearly always the same as that of the last one. */
function targetOf ({ url, userAgent, timeoutMs, minIntervalMs, families, proxy }) {
  const last = lastTarget
  if (last !== null && last.url === url && last.userAgent === userAgent && last.timeoutMs === timeoutMs &&
    last.minIntervalMs === minIntervalMs && last.families === families && last.proxy === proxy) return last.target
  const key = JSON.stringify([url, userAgent, timeoutMs, minIntervalMs, families, proxy])
  let target = targets.get(key)
  if (target === undefined) {
    target = new native.NativeTarget({ url, userAgent, timeoutMs, minIntervalMs, families, proxy })
    if (targets.size >= MAX_TARGETS) targets.clear()
    targets.set(key, target)
  }
  lastTarget = { url, userAgent, timeoutMs, minIntervalMs, families, proxy, target }
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

function submitToAgents (id, request, agents) {
  const controller = new AbortController()
  let timer
  aborts.set(id, graceMs => {
    timer ??= setTimeout(() => controller.abort(), graceMs)
  })
  carry(id, request, agents, controller.signal).then(result => {
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
  const { request, owner, done } = entry
  // A redirect from http: to https: is the first that is heard of TLS.
  if (!isPlain && result.error?.code === 'ERR_TRACKER_TLS_ROOTS' && !entry.triedWithRoots) {
    entry.triedWithRoots = true
    giveRoots()
    send(id, request)
    // Its end was called for while it was on the way to the redirect.
    if (entry.abortAt !== undefined) engine.abort(id, Math.max(0, Math.ceil(entry.abortAt - performance.now())))
    return
  }
  pending.delete(id)
  if (pending.size === 0) {
    release()
    release = null
  }
  owner._onResult(id, isPlain ? plainResult(result) : fullResult(result), request, done)
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
