'use strict'

// HTTP requests by way of agents that only JavaScript can use: a dispatcher of undici with the global
// `fetch`, an `http.Agent` with `node:http`. What is asked, where redirects lead and what an answer means
// is the engine's to say; here bytes are carried, as many as the engine would take.

const http = require('node:http')
const https = require('node:https')
const { pipeline } = require('node:stream')
const zlib = require('node:zlib')

const native = require('../native')
const { isDispatcher } = require('./proxies')

const REDIRECTS = new Set([301, 302, 303, 307, 308])

const DEFAULT_TIMEOUT = 15 * 1000

/** Requests at once; the others wait for their turn, and their time does not run. */
const MAX_REQUESTS = 64

/** The text of an error of the program's agent that is shown. */
const MAX_TEXT = 1024

const waiting = []
let running = 0

/**
 * Carries a request; resolves with what `NativeResult` describes, and never rejects.
 *
 * @param {string | string[]} ask the query of an announce, or the info hashes of a scrape
 * @param {object} target where it goes and how
 * @param {object} agents by protocol
 * @param {AbortSignal} signal ends it
 */
exports.carry = async function carry (id, ask, target, agents, signal) {
  try {
    const { NativeCarriedHttp } = native
    const carried = Array.isArray(ask)
      ? NativeCarriedHttp.scrape(target.native, ask)
      : NativeCarriedHttp.announce(target.native, ask)
    const bodies = []
    for (const url of checked(carried.urls())) {
      bodies.push(await inTurn(() => get({ carried, target, agents, signal }, url)))
    }
    return carried.reply(id, bodies)
  } catch (err) {
    const error = err instanceof Failure ? err.record : { message: err.message, code: 'ERR_TRACKER_REQUEST' }
    return { id, error, warnings: [] }
  }
}

/** What went wrong, as the engine would put it. */
class Failure extends Error {
  constructor (record) {
    super(record.message)
    this.record = record
  }
}

async function inTurn (work) {
  // Who leaves hands the turn over.
  if (running >= MAX_REQUESTS) await new Promise(resolve => waiting.push(resolve))
  else running += 1
  try {
    return await work()
  } finally {
    const next = waiting.shift()
    if (next !== undefined) next()
    else running -= 1
  }
}

async function get (context, url) {
  const { target, signal } = context
  const controller = new AbortController()
  const abort = () => controller.abort()
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    abort()
  }, target.timeoutMs ?? DEFAULT_TIMEOUT)
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort)
  try {
    // An agent that does not care about the signal must not hold up the request either.
    return await Promise.race([hops(context, url, controller.signal), aborted(controller.signal)])
  } catch (err) {
    if (timedOut) throw failure('This operation was aborted', 'ERR_TRACKER_TIMEOUT')
    if (signal.aborted) throw failure('This operation was aborted', 'ERR_TRACKER_ABORTED')
    throw err
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
    // Whatever is still open has no use any more.
    abort()
  }
}

async function hops ({ carried, target, agents }, url, signal) {
  const { redirects } = limits()
  for (let hop = 0; hop <= redirects; hop++) {
    const { status, location, body } = await send(target, url, agents, signal)
    if (status === 200) return read(body, target.url)
    body?.destroy?.()
    if (!REDIRECTS.has(status) || !location) {
      throw status === 407
        ? failure(`proxy failed: the proxy refuses the user or password (407) (${target.url})`, 'ERR_TRACKER_PROXY')
        : failure(`Non-200 response code ${status} from ${target.url}`, 'ERR_TRACKER_STATUS')
    }
    url = checked(carried.redirect(url, location))
  }
  throw failure(`too many or bad redirects (${target.url})`, 'ERR_TRACKER_REDIRECT')
}

async function send (target, url, agents, signal) {
  const agent = agents[new URL(url).protocol]
  // After a redirect.
  if (agent === undefined) throw failure(`proxy failed: no agent for ${new URL(url).protocol} (${target.url})`, 'ERR_TRACKER_PROXY')
  const headers = { 'user-agent': target.userAgent ?? '' }
  try {
    return isDispatcher(agent)
      ? await byFetch(url, { dispatcher: agent, headers, signal, redirect: 'manual' })
      : await byAgent(url, { agent, headers: { ...headers, 'accept-encoding': 'gzip, deflate' }, signal })
  } catch (err) {
    const cause = causeOf(err)
    throw failure(`proxy failed: ${cause.message} (${target.url})`, 'ERR_TRACKER_PROXY', cause)
  }
}

async function byFetch (url, options) {
  const { status, headers, body } = await fetch(url, options)
  return { status, location: headers.get('location'), body }
}

function byAgent (url, options) {
  const { request } = url.startsWith('https:') ? https : http
  return new Promise((resolve, reject) => {
    const req = request(url, options, res => {
      const isCompressed = ['gzip', 'deflate'].includes(res.headers['content-encoding'])
      // Its errors are those of the stream that is read.
      const body = isCompressed ? pipeline(res, zlib.createUnzip(), () => {}) : res
      body.on('error', () => {})
      resolve({ status: res.statusCode, location: res.headers.location, body })
    })
    req.on('error', reject)
    req.end()
  })
}

async function read (body, announceUrl) {
  const { body: limit } = limits()
  const chunks = []
  let size = 0
  try {
    for await (const chunk of body ?? []) {
      size += chunk.length
      if (size > limit) break
      chunks.push(chunk)
    }
  } catch (err) {
    throw failure('terminated', 'ERR_TRACKER_NETWORK', causeOf(err))
  }
  if (size > limit) throw failure(`tracker response is longer than ${limit} bytes (${announceUrl})`, 'ERR_TRACKER_TOO_LARGE')
  return Buffer.concat(chunks)
}

function aborted (signal) {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(failure('This operation was aborted', 'ERR_TRACKER_ABORTED')))
  })
}

function limits () {
  return native.carrierLimits()
}

/** A value of the engine, which says in an object why there is none. */
function checked (value) {
  if (typeof value === 'string' || Array.isArray(value)) return value
  throw new Failure(value)
}

function failure (message, code, cause) {
  return new Failure({ message, code, cause })
}

// The deepest reason, of the program's own agents too.
function causeOf (err) {
  let cause = err
  for (let depth = 0; depth < 8 && cause?.cause instanceof Error; depth++) cause = cause.cause
  const { code } = Object(cause)
  const message = String(cause?.message || code || cause).slice(0, MAX_TEXT)
  return typeof code === 'string' ? { message, code } : { message }
}
