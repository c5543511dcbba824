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

const pending = new Map()
/** Of requests that agents carry. */
const aborts = new Map()
let engine = null
let lastId = 0
let users = 0
let rootsGiven = false

/**
 * Starts a request and calls `done(result)` once, with what `NativeResult` describes; `result.error`
 * is an `Error`. The process stays alive until then.
 *
 * @param {object} route the way that it takes, by `proxies.route`; `request.proxy` is set already
 * @returns {number} for {@link abort}
 */
exports.submit = function submit (request, route, done) {
  // Node runs up to a thousand rings in a row before it looks at timers, signals and sockets again:
  // an engine that is always ready to ring would shut them out. So each ring waits for its turn.
  const isDirect = route.agents === undefined && route.problem === undefined
  if (isDirect) engine ??= new native.NativeClient(() => setImmediate(drain))
  if (isDirect && request.url.startsWith('https:')) giveRoots()
  do lastId = (lastId + 1) % MAX_ID
  while (pending.has(lastId))
  const id = lastId
  pending.set(id, { request, done, release: hold(), triedWithRoots: rootsGiven })
  if (route.agents !== undefined) {
    submitToAgents(id, request, route.agents)
    return id
  }
  try {
    if (route.problem !== undefined) throw route.problem
    engine.submit(id, request)
  } catch (err) {
    // Nothing was started, and the caller hears of it as of any other failure.
    process.nextTick(finish, { id, error: { message: err.message, code: err === route.problem ? err.code : 'ERR_TRACKER_REQUEST' }, warnings: [] })
  }
  return id
}

/** Ends a request after some milliseconds, if it is not done by then; its `done` is called all the same. */
exports.abort = function abort (id, graceMs) {
  const abort = aborts.get(id)
  if (abort !== undefined) return abort(graceMs)
  // None if nothing was ever sent.
  engine?.abort(id, graceMs)
}

/**
 * Says that one more client uses the engine; its threads end when as many have called what this
 * returns.
 */
exports.use = function use () {
  users += 1
  return function unuse () {
    users -= 1
    if (users === 0) engine?.release()
  }
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
  const entry = pending.get(result.id)
  const { request, done, release } = entry
  // A redirect from http: to https: is the first that is heard of TLS.
  if (result.error?.code === 'ERR_TRACKER_TLS_ROOTS' && !entry.triedWithRoots) {
    entry.triedWithRoots = true
    giveRoots()
    return engine.submit(result.id, request)
  }
  pending.delete(result.id)
  release()
  done({
    ...result,
    error: result.error && clientError(result.error),
    silent: result.error?.silent,
    warnings: result.warnings.map(clientError)
  })
}

function giveRoots () {
  if (rootsGiven) return
  rootsGiven = true
  engine.setTlsRoots(tlsRoots())
}
