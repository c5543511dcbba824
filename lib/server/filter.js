'use strict'

const { trackerError } = require('../errors')

/**
 * Asks a server's `filter` about an announce and calls `done(err)` once: with null if it may go on.
 *
 * The filter calls back, as it always has; one that takes fewer than three parameters may say it by what
 * it returns, or by a promise of that. Nothing is no verdict, since `(...args) => {}` may call back later;
 * but a promise of nothing is one, from a function that names its parameters and has none for a callback.
 */
exports.askFilter = function askFilter (server, params, done) {
  const filter = server._filter
  let settled = false
  const settle = err => {
    if (settled) return
    settled = true
    done(err)
  }
  let result
  try {
    result = filter.call(server, params.info_hash, params, err => settle(err || null))
  } catch (err) {
    // A bug of the program's, which hears of it as ever; whom it was about is not let in.
    process.nextTick(() => { throw err })
    return settle(refusal())
  }
  if (filter.length >= 3) {
    if (isPromise(result)) result.then(undefined, err => settle(asError(err)))
    return
  }
  const decide = (value, isFinal) => { if (value !== undefined || isFinal) settle(verdict(value)) }
  if (isPromise(result)) result.then(value => decide(value, filter.length > 0), err => settle(asError(err)))
  else decide(result, false)
}

function verdict (value) {
  if (value instanceof Error) return value
  return value === false ? refusal() : null
}

function asError (err) {
  return err instanceof Error ? err : refusal()
}

function refusal () {
  return trackerError('disallowed info_hash', 'ERR_TRACKER_REFUSED')
}

function isPromise (value) {
  return typeof value?.then === 'function'
}
