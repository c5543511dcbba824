'use strict'

// Announces over UDP on their way to the engine, as it reads them (`announces` in src/client/request.rs): many in one
// piece, for they are made in their thousands, and a call of the addon costs more than its announce.

/** Handed over at once. More cost no less, and the first should leave while the others are made. */
const ROOM = 128
exports.ROOM = ROOM

/** Bytes of each: three doubles, five integers, two ids, and four to keep the next one's doubles in their places. */
const SIZE = 88

const EVENTS = { started: 1, completed: 2, stopped: 3, paused: 4 }

const bytes = Buffer.alloc(ROOM * SIZE)
const doubles = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8)
const integers = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
let count = 0
let target = null

/**
 * Lays out the announce of a client.
 *
 * @param {number} id of the request
 * @param {object} opts not changed
 * @param {object} to where it goes
 * @param {() => void} handOver called to make room, if those before go elsewhere or there are enough
 * @returns {number} how many there are now
 * @throws if a program has put something else in the place of the client's port
 */
exports.add = function add (id, client, opts, to, handOver) {
  const port = client._port
  if (!(port >= 0 && port <= 65535)) throw new Error(`an announce with the port ${port}`)
  // All that may run functions of the program, which may announce, before the place is taken.
  const downloaded = Number(opts.downloaded) || 0
  const uploaded = Number(opts.uploaded) || 0
  const left = Number(opts.left ?? NaN)
  const numwant = Math.trunc(Number(opts.numwant))
  const infoHash = String(client.infoHash)
  const peerId = String(client.peerId)
  if (to !== target || count === ROOM) {
    handOver()
    target = to
  }
  const at = count * SIZE
  const double = at / 8
  const integer = at / 4
  doubles[double] = downloaded
  doubles[double + 1] = uploaded
  // NaN is how a client without metadata has it; it means unknown.
  doubles[double + 2] = left >= 0 ? left : NaN
  integers[integer + 6] = client._key
  integers[integer + 7] = numwant >= 0 && numwant < 2 ** 31 ? numwant : -1
  integers[integer + 8] = port
  integers[integer + 9] = EVENTS[opts.event] ?? 0
  integers[integer + 10] = id
  // Both at once if they are what they should be: each call takes longer than it writes.
  const isWhole = infoHash.length === 40 && bytes.hexWrite(infoHash + peerId, at + 44, 40) === 40
  if (!isWhole) writeIds(infoHash, peerId, at + 44)
  count += 1
  return count
}

exports.isEmpty = () => count === 0

/** Those that were added and where they go, and makes room for others: to be read before the next is. */
exports.take = function take () {
  const length = count * SIZE
  count = 0
  return { target, laidOut: length === bytes.length ? bytes : bytes.subarray(0, length) }
}

/** The requests' ids of what {@link take} returned. */
exports.idsOf = function idsOf (laidOut) {
  return Array.from({ length: laidOut.length / SIZE }, (_, i) => integers[i * SIZE / 4 + 10])
}

/** A program may have put anything in the properties: nobody else's id is left in its place. */
function writeIds (infoHash, peerId, at) {
  if (bytes.hexWrite(infoHash, at, 20) !== 20) bytes.fill(0, at, at + 20)
  if (bytes.hexWrite(peerId, at + 20, 20) !== 20) bytes.fill(0, at + 20, at + 40)
}
