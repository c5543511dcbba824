'use strict'

const assert = require('node:assert')
const crypto = require('node:crypto')
const Client = require('../..')
const { callback } = require('./events')

const { Server } = Client

/** A random hex info hash or peer id. */
const randomHex = () => crypto.randomBytes(20).toString('hex')

/** A torrent and a peer that nobody has met. */
const stranger = () => ({ infoHash: randomHex(), peerId: randomHex() })

/** A server on ports of the kernel's choice, closed when the test ends; unexpected trouble fails the test. */
async function startServer (t, opts = {}, ...listenArgs) {
  const server = new Server({ ws: false, stats: false, ...opts })
  t.after(() => closeServer(server))
  await listen(server, ...listenArgs)
  return server
}

function listen (server, ...args) {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(...args, () => {
      server.removeListener('error', reject)
      resolve(server)
    })
  })
}

/** Waits for the end of `server`, which a test may have closed already. */
async function closeServer (server) {
  if (!server.destroyed) await callback(cb => server.close(cb))
}

const httpPort = server => server.http.address().port
const udpPort = server => server.udp.address().port
const httpUrl = (server, host = '127.0.0.1') => `http://${host}:${httpPort(server)}/announce`
const udpUrl = (server, host = '127.0.0.1') => `udp://${host}:${udpPort(server)}`

/** What an app gives at least. */
const clientOptions = opts => ({ ...stranger(), port: 6881, wrtc: false, ...opts })

/** A client that is destroyed when the test ends. */
function createClient (t, opts) {
  const client = new Client(clientOptions(opts))
  t.after(() => destroyClient(client))
  return client
}

async function destroyClient (client) {
  // Late trouble of a client that the test is through with is no news.
  client.on('warning', () => {})
  client.on('error', () => {})
  if (!client.destroyed) await callback(cb => client.destroy(cb))
}

/** A warning about bad input carries a code that apps can switch on. */
function assertWarning (err, message) {
  assert.ok(err instanceof Error, `${err} is no Error`)
  assert.match(String(err.code), /^ERR_TRACKER_[A-Z0-9_]+$/, `code of "${err.message}"`)
  if (message instanceof RegExp) assert.match(err.message, message)
  else if (message !== undefined) assert.strictEqual(err.message, message)
}

module.exports = {
  Client,
  Server,
  assertWarning,
  clientOptions,
  closeServer,
  createClient,
  destroyClient,
  httpPort,
  httpUrl,
  listen,
  randomHex,
  startServer,
  stranger,
  udpPort,
  udpUrl
}
