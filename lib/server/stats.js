'use strict'

// The statistics of a tracker, as a page and as JSON. The engine keeps the counts; what is left to do is
// naming clients by a sample of their peer ids.

const { hold } = require('../keep-alive')

/** Servers that keep the counts, or are about to: `done` functions that wait for that. */
const counting = new WeakMap()

/** `done({ contentType, body })` with the page, or the JSON form. */
exports.statsResponse = function statsResponse (server, form, done) {
  whenCounting(server._engine.native, native => {
    const stats = collect(native.census())
    done(form === 'json'
      ? { contentType: 'application/json', body: Buffer.from(JSON.stringify(stats)) }
      : { contentType: 'text/html; charset=utf-8', body: Buffer.from(page(stats)) })
  })
}

// At the first question every peer is looked at once, which takes half a second for a million of them.
function whenCounting (native, done) {
  const waiting = counting.get(native)
  if (waiting === null) return done(native)
  if (waiting !== undefined) return waiting.push(done)
  counting.set(native, [done])
  const release = hold()
  native.beginCensus(() => {
    release()
    const waiting = counting.get(native)
    counting.set(native, null)
    for (const done of waiting) done(native)
  })
}

function collect (census) {
  const clients = Object.create(null)
  const count = (client, version, peers) => {
    clients[client] ??= Object.create(null)
    clients[client][version] = (clients[client][version] ?? 0) + peers
  }
  // The most frequent first.
  for (const { peerId, count: peers } of census.clients.sort((a, b) => b.count - a.count)) {
    const { client, version } = identify(peerId)
    count(client, version, peers)
  }
  // Beyond ten thousand different beginnings of peer ids nobody keeps them apart.
  if (census.otherClients > 0) count('unknown', 'other', census.otherClients)
  return {
    torrents: census.torrents,
    activeTorrents: census.activeTorrents,
    peersAll: census.peers,
    peersSeederOnly: census.seedersOnly,
    peersLeecherOnly: census.leechersOnly,
    peersSeederAndLeecher: census.both,
    peersIPv4: census.v4,
    peersIPv6: census.v6,
    clients
  }
}

let peerid

function identify (peerId) {
  peerid ??= require('bittorrent-peerid')
  const bytes = Buffer.from(peerId, 'hex')
  let found
  try {
    found = peerid(peerId)
  } catch {
    // It throws at some that nobody has.
  }
  if (!found?.client || found.client === 'unknown') return { client: 'unknown', version: bytes.subarray(0, 8).latin1Slice() }
  return { client: found.client, version: found.version ?? '' }
}

function page (stats) {
  const clients = Object.entries(stats.clients).flatMap(([client, versions]) =>
    Object.entries(versions).map(([version, peers]) =>
      `<li><strong>${escape(client)}</strong> ${escape(version)} : ${peers}</li>`))
  return [
    `<h1>${stats.torrents} torrents (${stats.activeTorrents} active)</h1>`,
    `<h2>Connected Peers: ${stats.peersAll}</h2>`,
    `<h3>Peers Seeding Only: ${stats.peersSeederOnly}</h3>`,
    `<h3>Peers Leeching Only: ${stats.peersLeecherOnly}</h3>`,
    `<h3>Peers Seeding &amp; Leeching: ${stats.peersSeederAndLeecher}</h3>`,
    `<h3>IPv4 Peers: ${stats.peersIPv4}</h3>`,
    `<h3>IPv6 Peers: ${stats.peersIPv6}</h3>`,
    '<h3>Clients:</h3>',
    '<ul>',
    ...clients,
    '</ul>'
  ].join('\n')
}

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\'': '&#39;' }

// A peer id may be anything, a script too.
function escape (text) {
  return text.replace(/[&<>"']/g, char => ENTITIES[char]).replace(/[^\x20-\uffff]|[\x7f-\x9f]/g, '.')
}
