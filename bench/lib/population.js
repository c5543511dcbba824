'use strict'

// The peers that announce over HTTP: the same ones in each run, and never new ones, so that swarms are
// as large for a slow tracker as for a fast one.

/** Swarm sizes fall with the rank of the torrent: the largest has 0.6 % of all peers, most have a few. */
const SKEW = 1.8
const LEECHER_SHARE = 0.25

/** `{ infoHash, peerId, port, left }` each, in an order in which torrents come at random. */
function population (torrents, peers) {
  const random = generator(0x7ac4e5)
  const hashes = Array.from({ length: torrents }, () => randomBytes(random, 20))
  return Array.from({ length: peers }, (_, i) => ({
    infoHash: hashes[Math.floor(torrents * random() ** SKEW)],
    peerId: Buffer.concat([Buffer.from('-BN0001-'), randomBytes(random, 12)]),
    // All come from one address; the port tells them apart.
    port: 1 + i % 65535,
    left: random() < LEECHER_SHARE ? 1_000_000 : 0
  }))
}

/** An announce as clients send it on their interval. */
function announcePath ({ infoHash, peerId, port, left }, numwant) {
  return `/announce?info_hash=${escape(infoHash)}&peer_id=${escape(peerId)}&port=${port}` +
    `&uploaded=0&downloaded=0&left=${left}&numwant=${numwant}&compact=1`
}

function escape (bytes) {
  let text = ''
  for (const byte of bytes) {
    const char = String.fromCharCode(byte)
    text += /[A-Za-z0-9._~-]/.test(char) ? char : '%' + byte.toString(16).padStart(2, '0')
  }
  return text
}

/** Numbers from 0 to 1, the same ones for the same seed (an xorshift generator). */
function generator (seed) {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

function randomBytes (random, length) {
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)))
}

module.exports = { population, announcePath }
