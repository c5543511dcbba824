'use strict'

// `proxyOpts`: which way a request takes. When a proxy is set and cannot carry it, none.

const { trackerError } = require('../errors')
const native = require('../native')

const KEYS = ['url', 'socksProxy', 'httpAgent', 'httpsAgent']

/** @throws {TypeError} if `proxyOpts` is none of the shapes that {@link route} knows */
exports.checkProxyOpts = function checkProxyOpts (proxyOpts) {
  if (!proxyOpts) return
  const url = nativeProxy(proxyOpts)
  try {
    if (url !== undefined) native.checkProxy(url)
  } catch (err) {
    // Without the value, which may hold a password.
    throw invalid(err.message)
  }
  if (isUrl(proxyOpts)) return
  // A slip of the pen must not send requests around the proxy that was meant.
  const keys = Object.keys(proxyOpts)
  if (keys.length > 0 && !keys.some(key => KEYS.includes(key))) throw invalid(`it has none of ${KEYS.join(', ')}`)
  for (const name of ['httpAgent', 'httpsAgent']) {
    const agent = proxyOpts[name]
    if (agent && !isDispatcher(agent) && !isHttpAgent(agent)) {
      throw invalid(`\`${name}\` is neither an http.Agent nor a dispatcher of undici`)
    }
  }
}

/**
 * The way of requests to this announce URL: `{ proxy }` is the URL of one that the engine uses, `{ agents }`
 * are the program's, by protocol; `{ problem }` says why there is none.
 *
 * @returns {{ proxy?: string, agents?: object, problem?: Error }} an empty one is the direct way
 */
exports.route = function route (proxyOpts, announceUrl) {
  if (!isSet(proxyOpts)) return {}
  const proxy = nativeProxy(proxyOpts)
  const { protocol } = new URL(announceUrl)
  if (protocol !== 'udp:' && !isUrl(proxyOpts)) {
    const isWebSocket = protocol === 'ws:' || protocol === 'wss:'
    const agents = agentsOf(proxyOpts, isWebSocket ? isHttpAgent : Boolean)
    if (agents[protocol]) return { agents }
  }
  if (proxy !== undefined) return { proxy }
  const text = `proxy failed: none in \`proxyOpts\` is for ${protocol} (${announceUrl})`
  return { problem: trackerError(text, 'ERR_TRACKER_PROXY') }
}

/** Whether it is a dispatcher of undici. */
function isDispatcher (agent) {
  return typeof agent?.dispatch === 'function'
}

exports.isDispatcher = isDispatcher

function isHttpAgent (agent) {
  return typeof agent?.addRequest === 'function' || typeof agent?.createSocket === 'function'
}

function isSet (proxyOpts) {
  return Boolean(proxyOpts) && (isUrl(proxyOpts) || KEYS.some(key => Boolean(proxyOpts[key])))
}

function isUrl (value) {
  return typeof value === 'string' || value instanceof URL
}

// As in the original, TLS decides.
function agentsOf ({ httpAgent, httpsAgent }, isUsable) {
  const [plain, tls] = [httpAgent, httpsAgent].map(agent => agent && isUsable(agent) ? agent : undefined)
  return { 'http:': plain, 'ws:': plain, 'https:': tls, 'wss:': tls }
}

// `socksProxy` before `url`: it may be for UDP alone.
function nativeProxy (proxyOpts) {
  if (isUrl(proxyOpts)) return String(proxyOpts)
  const { socksProxy, url } = proxyOpts
  if (socksProxy) return isUrl(socksProxy) ? String(socksProxy) : socksUrl(socksProxy)
  return url ? String(url) : undefined
}

// The options of the npm package `socks`, today's and those of its version 1.
function socksUrl ({ proxy }) {
  const host = proxy?.host ?? proxy?.ipaddress
  if (typeof host !== 'string' || host === '') throw invalid('`socksProxy.proxy` has no host')
  const { type = 5, port = 1080, authentication } = proxy
  if (![4, 5].includes(type)) throw invalid('`socksProxy.proxy.type` is neither 4 nor 5')
  if (!Number.isInteger(Number(port)) || port < 1 || port > 65535) throw invalid('`socksProxy.proxy.port` is no port')
  if (/[/?#@\\]/.test(host)) throw invalid('`socksProxy.proxy` has no valid host')
  const user = proxy.userId ?? authentication?.username
  const password = proxy.password ?? authentication?.password
  const credentials = user === undefined && password === undefined
    ? ''
    : `${encodeURIComponent(user ?? '')}:${encodeURIComponent(password ?? '')}@`
  const isIPv6 = host.includes(':') && !host.startsWith('[')
  return `socks${type}://${credentials}${isIPv6 ? `[${host}]` : host}:${port}`
}

function invalid (why) {
  return Object.assign(new TypeError(`Option \`proxyOpts\` must name a proxy: ${why}`), { code: 'ERR_TRACKER_INVALID_OPTION' })
}
