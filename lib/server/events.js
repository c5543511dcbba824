'use strict'

// Decodes the batches of events that the engine hands over: one buffer for hundreds of events,
// since an object per field would cost more than the announces themselves. The layout is that of
// src/server/records.rs.

const { trackerError, systemError } = require('../errors')
const { udpParams, httpParams, wsParams } = require('./params')

// By the numbers of BEP 15.
const ANNOUNCE_EVENTS = ['update', 'complete', 'start', 'stop', 'pause']

const KIND_UDP = 0
const KIND_HTTP = 1
const KIND_WARNING = 2
const KIND_ERROR = 3
const KIND_WEB_SOCKET = 4

/** Bits of the mask that tells the engine which events have listeners. */
const WANT = { update: 1, complete: 2, start: 4, stop: 8, pause: 16, warning: 1 << 16 }

/**
 * Calls `emit(name, ...args)` for each event of a batch.
 *
 * @param {number} maxNumwant the server's limit, for `params.numwant`
 * @param {(id: number) => object} socketOf what a listener can do with a WebSocket connection
 */
function decodeEvents (buffer, emit, maxNumwant, socketOf) {
  const reader = new Reader(buffer)
  while (!reader.done) {
    const kind = reader.u8()
    switch (kind) {
      case KIND_UDP: {
        const event = ANNOUNCE_EVENTS[reader.u8()]
        const addr = reader.text()
        emit(event, addr, udpParams(reader.bytes(), addr, maxNumwant))
        break
      }
      case KIND_HTTP: {
        const event = ANNOUNCE_EVENTS[reader.u8()]
        const addr = reader.text()
        emit(event, addr, httpParams(addr, readHttpRequest(reader), maxNumwant))
        break
      }
      case KIND_WEB_SOCKET: {
        const event = ANNOUNCE_EVENTS[reader.u8()]
        const peerId = reader.text()
        const message = reader.longText()
        const socket = socketOf(reader.u64())
        emit(event, peerId, wsParams(message, socket, readHttpRequest(reader), maxNumwant))
        break
      }
      case KIND_WARNING:
        emit('warning', readWarning(reader))
        break
      case KIND_ERROR:
        emit('error', readError(reader))
        break
      default:
        throw new RangeError(`unknown event record ${kind}`)
    }
  }
}

function readHttpRequest (reader) {
  const request = {
    method: reader.text(),
    url: reader.text(),
    remoteAddress: reader.text(),
    remotePort: reader.u16(),
    ip: reader.text(),
    headers: {}
  }
  for (let left = reader.u16(); left > 0; left--) {
    const name = reader.text()
    const value = reader.text()
    // As in Node: a repeated header is one, its values joined.
    request.headers[name] = Object.hasOwn(request.headers, name) ? `${request.headers[name]}, ${value}` : value
  }
  return request
}

function readWarning (reader) {
  const code = reader.text()
  const message = reader.text()
  const from = reader.text()
  const leftOut = reader.u32()
  const details = {}
  if (from !== '') details.from = from
  if (leftOut > 0) details.leftOut = leftOut
  return trackerError(message, code, details)
}

function readError (reader) {
  const code = reader.text()
  const message = reader.text()
  return code.startsWith('ERR_') ? trackerError(message, code) : Object.assign(systemError({ code, message }), { message })
}

class Reader {
  #buffer
  #at = 0

  constructor (buffer) {
    this.#buffer = buffer
  }

  get done () {
    return this.#at >= this.#buffer.length
  }

  u8 () {
    return this.#buffer[this.#at++]
  }

  u16 () {
    const value = this.#buffer.readUInt16LE(this.#at)
    this.#at += 2
    return value
  }

  u32 () {
    const value = this.#buffer.readUInt32LE(this.#at)
    this.#at += 4
    return value
  }

  u64 () {
    const value = Number(this.#buffer.readBigUInt64LE(this.#at))
    this.#at += 8
    return value
  }

  longText () {
    const length = this.u32()
    const text = this.#buffer.utf8Slice(this.#at, this.#at + length)
    this.#at += length
    return text
  }

  bytes () {
    const length = this.u16()
    const bytes = this.#buffer.subarray(this.#at, this.#at + length)
    this.#at += length
    return bytes
  }

  // Latin-1, as Node reads request lines and headers.
  text () {
    const length = this.u16()
    const text = this.#buffer.latin1Slice(this.#at, this.#at + length)
    this.#at += length
    return text
  }
}

module.exports = { WANT, decodeEvents }
