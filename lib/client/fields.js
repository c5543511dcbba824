'use strict'

// An announce over UDP as the engine reads it (`announce_params` in src/client/request.rs): in one piece, for
// announces are made in their thousands, and reading an object costs more than its announce.

const EVENTS = { started: 1, completed: 2, stopped: 3, paused: 4 }

const doubles = new Float64Array(10)
const integers = new Int32Array(doubles.buffer)
const fields = Buffer.from(doubles.buffer)

/**
 * Lays out the announce of a client.
 *
 * @param {object} opts not changed
 * @returns {Buffer} for {@link engine.submit} at once: the next announce is laid out in the same place
 */
exports.announceFields = function announceFields (client, opts) {
  doubles[0] = Number(opts.downloaded) || 0
  doubles[1] = Number(opts.uploaded) || 0
  doubles[2] = byteCount(opts.left)
  integers[6] = client._key
  integers[7] = int32(opts.numwant)
  integers[8] = client._port
  integers[9] = EVENTS[opts.event] ?? 0
  writeId(client.infoHash, 40)
  writeId(client.peerId, 60)
  return fields
}

// NaN is how a client without metadata has it; it means unknown.
function byteCount (value) {
  const number = Number(value ?? NaN)
  return number >= 0 ? number : NaN
}

function int32 (value) {
  const number = Math.trunc(Number(value))
  return number >= 0 && number < 2 ** 31 ? number : -1
}

function writeId (digits, at) {
  // A program may have put anything in the property: nobody else's id is left in its place.
  if (fields.hexWrite(String(digits), at, 20) !== 20) fields.fill(0, at, at + 20)
}
