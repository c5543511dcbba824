'use strict'

const nodeTest = require('node:test')
const os = require('node:os')

// A hang has to end as a failure. No test comes near it on a slow machine, so it decides nothing else.
const SAFETY_NET_MS = 60_000

/** `test(name, [options], fn)` of node:test with a time limit that only catches hangs. */
function test (name, options, fn) {
  if (typeof options === 'function') return nodeTest(name, { timeout: SAFETY_NET_MS }, options)
  return nodeTest(name, { timeout: SAFETY_NET_MS, ...options }, fn)
}

const hasIPv6 = Object.values(os.networkInterfaces()).flat().some(({ address }) => address === '::1')

/** Options for a test that cannot run without IPv6. */
const needsIPv6 = hasIPv6 ? {} : { skip: 'this machine has no IPv6 loopback address' }

/** Socket tests run on the platform's own path and on the portable fallback. */
const SOCKET_PATHS = [
  { name: 'native sockets', opts: {} },
  { name: 'portable sockets', opts: { portable: true } }
]

module.exports = { test, needsIPv6, hasIPv6, SOCKET_PATHS }
