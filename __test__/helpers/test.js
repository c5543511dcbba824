'use strict'

const os = require('node:os')
const { test } = require('node:test')

const hasIPv6 = Object.values(os.networkInterfaces()).flat().some(({ address }) => address === '::1')

/** For a test that cannot run without IPv6. */
const needsIPv6 = hasIPv6 ? {} : { skip: 'this machine has no IPv6 loopback address' }

/** Socket tests run on the platform's own path and on the portable fallback. */
const SOCKET_PATHS = [
  { name: 'native sockets', opts: {} },
  { name: 'portable sockets', opts: { portable: true } }
]

module.exports = { test, needsIPv6, hasIPv6, SOCKET_PATHS }
