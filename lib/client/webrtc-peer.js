'use strict'

// All that is known of WebRTC: which implementation there is, and how a peer is made with it. What
// stands in for it has to offer the same four functions.

/** Packages that a program may have installed, in the order in which they are tried. */
const INSTALLABLE = ['@roamhq/wrtc', 'webrtc-polyfill']

/** Longest session description that is looked at, in characters. Real ones have 1,000 to 5,000. */
const MAX_SDP = 64 * 1024

let installed

/**
 * The value of the option `wrtc`, as a client keeps it: a function is asked for it.
 */
exports.wrtcOption = function wrtcOption (value) {
  return typeof value === 'function' ? value() : value
}

/**
 * Whether peers can be made with this option, `false` among its values.
 */
exports.isAvailable = function isAvailable (wrtc) {
  return wrtc !== false && (isObject(wrtc) || present() !== null)
}

/**
 * Makes a peer: a duplex stream with `signal(data)`, `destroy(err)`, `destroyed`, and the events
 * `signal`, `connect`, `error`, `close`. Throws if there is no WebRTC.
 *
 * @param {object} opts those of npm's `simple-peer`; `wrtc` may be anything
 */
exports.createPeer = function createPeer (opts) {
  // Late: programs without WebSocket trackers need none of it.
  const Peer = require('simple-peer')
  const { wrtc } = opts
  const found = isObject(wrtc) && wrtc.RTCPeerConnection !== undefined ? wrtc : present()
  if (found === null) {
    throw Object.assign(new Error(`no WebRTC: ${exports.HINT}`), { code: 'ERR_TRACKER_WEBRTC' })
  }
  if (typeof found.then === 'function') {
    throw Object.assign(new Error('WebRTC is still being loaded'), { code: 'ERR_TRACKER_WEBRTC' })
  }
  return new Peer({ ...opts, wrtc: found })
}

/**
 * What a remote peer sent, as far as it is a session description of the type that is expected; else null.
 * It comes from a stranger, and a peer would take other things as well.
 */
exports.description = function description (value, type) {
  if (!isObject(value) || value.type !== type || typeof value.sdp !== 'string') return null
  return value.sdp.length <= MAX_SDP ? { type, sdp: value.sdp } : null
}

/** A promise to wait for before peers are made, or null if they can be made at once. */
exports.loading = function loading (wrtc) {
  if (isObject(wrtc) && wrtc.RTCPeerConnection !== undefined) return null
  const found = present()
  return typeof found?.then === 'function' ? found : null
}

exports.HINT = `install ${INSTALLABLE[0]}, or pass an implementation as option \`wrtc\``

function isObject (value) {
  return typeof value === 'object' && value !== null
}

// Looked up each time, but for what is loaded from disk: programs set the globals late.
function present () {
  if (isObject(globalThis.WRTC)) return globalThis.WRTC
  if (typeof globalThis.RTCPeerConnection === 'function') return globalThis
  installed ??= load()
  return installed.found
}

function load () {
  for (const name of INSTALLABLE) {
    try {
      return { found: require(name) }
    } catch (err) {
      // Installed, but for `import` alone.
      if (['ERR_REQUIRE_ESM', 'ERR_PACKAGE_PATH_NOT_EXPORTED', 'ERR_REQUIRE_ASYNC_MODULE'].includes(err.code)) return loadLater(name)
    }
  }
  return { found: null }
}

function loadLater (name) {
  const loaded = { found: null }
  loaded.found = import(name).then(
    wrtc => { loaded.found = wrtc },
    () => { loaded.found = null })
  return loaded
}
