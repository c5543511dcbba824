'use strict'

// The client whose contract is tested: ours, or with TRACKER_SUBJECT=original that of the package it replaces.

const path = require('node:path')
const { pathToFileURL } = require('node:url')
const { IS_ORIGINAL } = require('./contract-subject')
const { callback } = require('./events')
const { installPackages } = require('./npm-packages')
const { Client: OurClient, clientOptions } = require('./subjects')

// Its WebRTC implementation wants a download when it is installed; nothing here needs one.
const NO_WEBRTC = `
const none = class {}
export { none as RTCPeerConnection, none as RTCSessionDescription, none as RTCIceCandidate }
export default { RTCPeerConnection: none }
`

async function importOriginal (file) {
  const folder = await installPackages('original-without-webrtc', {
    dependencies: { 'bittorrent-tracker': '11.2.3', 'webrtc-polyfill': 'file:webrtc-polyfill' },
    overrides: { 'webrtc-polyfill': '$webrtc-polyfill' }
  }, {
    'webrtc-polyfill/package.json': JSON.stringify({ name: 'webrtc-polyfill', version: '1.2.2', type: 'module', main: 'index.js' }),
    'webrtc-polyfill/index.js': NO_WEBRTC
  })
  const { default: Class } = await import(pathToFileURL(path.join(folder, 'node_modules', 'bittorrent-tracker', file)).href)
  return Class
}

const loadClient = async () => IS_ORIGINAL ? importOriginal('client.js') : OurClient

const loadWebSocketTracker = async () =>
  IS_ORIGINAL ? importOriginal('lib/client/websocket-tracker.js') : require('../../websocket-tracker')

/** A client that is destroyed when the test ends. */
async function createClient (t, opts) {
  const Client = await loadClient()
  const client = new Client(clientOptions(opts))
  t.after(() => destroy(client))
  return client
}

async function destroy (client) {
  // Late trouble of a client that the test is through with is no news.
  client.on('warning', () => {}).on('error', () => {})
  if (!client.destroyed) await callback(cb => client.destroy(cb))
}

module.exports = { createClient, destroy, loadClient, loadWebSocketTracker }
