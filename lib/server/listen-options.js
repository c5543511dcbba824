'use strict'

const dns = require('node:dns')
const net = require('node:net')

const { trackerError } = require('../errors')

const MAX_PORT = 65535

/**
 * The arguments of `server.listen`, in any of their forms.
 *
 *     listen([port | { http, udp }], [hostname | { http, udp, udp6 }], [onlistening])
 */
exports.parseListenArguments = function parseListenArguments (args) {
  const onlistening = typeof args[args.length - 1] === 'function' ? args[args.length - 1] : undefined
  const [port, hostname] = args.filter(arg => typeof arg !== 'function')
  return {
    onlistening,
    http: { port: parsePort(isObject(port) ? port.http : port), ...httpHosts(hostname) },
    udp: { port: parsePort(isObject(port) ? port.udp : port), ...udpHosts(hostname) }
  }
}

/**
 * Resolves the host names of one service to what the engine binds.
 *
 * @returns {Promise<{ port: number, v4?: string, v6?: string, v6Optional: boolean }>} an address for
 *   each family to bind
 */
exports.resolveBinding = async function resolveBinding ({ port, host, host4, host6 }) {
  if (host === undefined && host4 === undefined && host6 === undefined) {
    return { port, v4: '0.0.0.0', v6: '::', v6Optional: true }
  }
  if (host !== undefined) return { port, v6Optional: true, ...await resolveHost(host) }
  // Each family has a name of its own; the one that has none gets all its addresses.
  const v4 = host4 === undefined ? '0.0.0.0' : await resolveFamily(host4, 4)
  const v6 = host6 === undefined ? '::' : await resolveFamily(host6, 6)
  return { port, v4, v6, v6Optional: host6 === undefined }
}

function httpHosts (hostname) {
  return { host: parseHost(isObject(hostname) ? hostname.http : hostname) }
}

function udpHosts (hostname) {
  if (!isObject(hostname)) return { host: parseHost(hostname) }
  return { host4: parseHost(hostname.udp, 4), host6: parseHost(hostname.udp6, 6) }
}

function parsePort (value) {
  if (value === undefined || value === null || value === '') return 0
  const port = Number(value)
  if (Number.isInteger(port) && port >= 0 && port <= MAX_PORT) return port
  const shown = typeof value === 'string' ? `'${value}'` : String(value)
  throw Object.assign(
    new RangeError(`options.port should be >= 0 and < 65536. Received ${shown}.`),
    { code: 'ERR_SOCKET_BAD_PORT' })
}

function parseHost (value, family) {
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value !== 'string') throw invalidHost('hostname must be a string')
  const host = value.replace(/^\[(.*)\]$/, '$1')
  const literal = net.isIP(host)
  // The engine binds an address and no interface.
  if (literal !== 0 && host.includes('%')) throw invalidHost(`hostname must be without a zone: ${host}`)
  if (family !== undefined && literal !== 0 && literal !== family) {
    throw invalidHost(`hostname must be of IPv${family}: ${host}`)
  }
  return host
}

function invalidHost (message) {
  return trackerError(message, 'ERR_TRACKER_INVALID_HOSTNAME')
}

async function resolveHost (host) {
  // As for Node, `::` means all addresses of both families.
  if (host === '::') return { v4: '0.0.0.0', v6: '::' }
  if (net.isIPv4(host)) return { v4: host }
  if (net.isIPv6(host)) return { v6: host }
  const addresses = await dns.promises.lookup(host, { all: true })
  return {
    v4: addresses.find(({ family }) => family === 4)?.address,
    v6: addresses.find(({ family }) => family === 6)?.address
  }
}

async function resolveFamily (host, family) {
  if (net.isIP(host) === family) return host
  const { address } = await dns.promises.lookup(host, { family })
  return address
}

function isObject (value) {
  return typeof value === 'object' && value !== null
}
