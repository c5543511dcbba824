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
const KIND_QUESTION = 5
const KIND_INQUIRY = 6
const KIND_PACKET = 7
const KIND_DELIVER = 8
const KIND_CLOSE = 9
const KIND_EVICTED = 10
const KIND_GONE = 11

const INQUIRIES = ['scrape', 'html', 'json']

/** Bits of the mask that tells the engine which events have listeners. */
const WANT = { update: 1, complete: 2, start: 4, stop: 8, pause: 16, warning: 1 << 16 }

/** And what it has to ask about, or to hand over. */
const ASK = { announces: 1 << 17, scrapes: 1 << 18, packets: 1 << 19, gone: 1 << 20 }

/**
 * Calls a method of `to` for each record of a batch:
 *
 * - `onEvent(name, ...args)`: an event for listeners;
 * - `onQuestion(id, kind, params)`: an announce that is asked about;
 * - `onInquiry(id, what, request)`: a `scrape`, or statistics as `html` or `json`;
 * - `onPacket(packet, address, port)`, `onDeliver(socket, text)`, `onClose(socket, tooSlow)`,
 *   `onGone(socket)`, `onEvicted({ infoHash, key, value })`.
 *
 * `to.maxNumwant` is the server's limit, for `params.numwant`; `to.socketOf(id)` is what programs know a
 * WebSocket by.
 */
function decodeEvents (buffer, to) {
  const reader = new Reader(buffer)
  while (!reader.done) {
    const kind = reader.u8()
    switch (kind) {
      case KIND_UDP:
      case KIND_HTTP:
      case KIND_WEB_SOCKET: {
        const [name, addr, params] = readAnnounce(reader, kind, to)
        to.onEvent(name, addr, params)
        break
      }
      case KIND_QUESTION: {
        const id = reader.u64()
        const [, , params] = readAnnounce(reader, reader.u8(), to)
        to.onQuestion(id, params)
        break
      }
      case KIND_INQUIRY: {
        const id = reader.u64()
        const what = INQUIRIES[reader.u8()]
        const from = { address: reader.text(), port: reader.u16() }
        to.onInquiry(id, what, readRequest(reader, reader.u8(), to), from)
        break
      }
      case KIND_PACKET: {
        const packet = Buffer.from(reader.bytes())
        const address = reader.text()
        to.onPacket(packet, address, reader.u16())
        break
      }
      case KIND_DELIVER: {
        const socket = reader.u64()
        to.onDeliver(socket, reader.longText())
        break
      }
      case KIND_CLOSE: {
        const socket = reader.u64()
        to.onClose(socket, reader.u8() === 1)
        break
      }
      case KIND_GONE:
        to.onGone(reader.u64())
        break
      case KIND_EVICTED:
        to.onEvicted(readEvicted(reader))
        break
      case KIND_WARNING:
        to.onEvent('warning', readWarning(reader))
        break
      case KIND_ERROR:
        to.onEvent('error', readError(reader))
        break
      default:
        throw new RangeError(`unknown event record ${kind}`)
    }
  }
}

function readAnnounce (reader, kind, to) {
  const name = ANNOUNCE_EVENTS[reader.u8()]
  const addr = reader.text()
  const { packet, request, message, socket } = readRequest(reader, kind, to)
  if (packet !== undefined) return [name, addr, udpParams(packet, addr, to.maxNumwant)]
  if (message !== undefined) return [name, addr, wsParams(message, socket, request, to.maxNumwant)]
  return [name, addr, httpParams(addr, request, to.maxNumwant)]
}

/** `{ packet }`, `{ request }` or `{ message, socket, request }`. */
function readRequest (reader, kind, to) {
  if (kind === KIND_UDP) return { packet: reader.bytes() }
  if (kind === KIND_HTTP) return { request: readHttpRequest(reader) }
  const message = reader.longText()
  const socket = to.socketOf(reader.u64())
  const request = readHttpRequest(reader)
  // As programs know it from the socket itself.
  if (socket.headers !== undefined) request.headers = socket.headers
  return { message, socket, request }
}

function readEvicted (reader) {
  const infoHash = reader.text()
  const peerId = reader.text()
  const complete = reader.u8() === 1
  const addr = reader.text()
  if (addr === '') return { infoHash, key: peerId, value: { type: 'ws', complete, peerId, socket: null } }
  const colon = addr.lastIndexOf(':')
  const ip = addr.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  const value = { type: 'peer', complete, peerId, ip, port: Number(addr.slice(colon + 1)), socket: null }
  return { infoHash, key: addr, value }
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

module.exports = { ASK, WANT, decodeEvents }
