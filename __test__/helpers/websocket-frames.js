'use strict'

// WebSocket by hand (RFC 6455), for what no library would send.

const crypto = require('node:crypto')
const net = require('node:net')

const OP = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 }
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/**
 * One frame. Of a good client unless told otherwise: `fin`, `rsv` (bits 4, 2, 1), `mask`; `length` is what the header
 * claims, whatever the payload.
 */
function frame (opcode, payload = '', { fin = true, rsv = 0, mask = true, length } = {}) {
  const body = Buffer.from(payload)
  const claimed = BigInt(length ?? body.length)
  const masked = mask ? 0x80 : 0
  let head
  if (claimed < 126n) {
    head = Buffer.from([0, masked | Number(claimed)])
  } else if (claimed < 65536n) {
    head = Buffer.from([0, masked | 126, 0, 0])
    head.writeUInt16BE(Number(claimed), 2)
  } else {
    head = Buffer.alloc(10)
    head[1] = masked | 127
    head.writeBigUInt64BE(claimed, 2)
  }
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode
  if (!mask) return Buffer.concat([head, body])
  const key = crypto.randomBytes(4)
  for (let i = 0; i < body.length; i++) body[i] ^= key[i & 3]
  return Buffer.concat([head, key, body])
}

/** The payload of a close frame. */
function closePayload (code, reason = '') {
  const payload = Buffer.from(`xx${reason}`)
  payload.writeUInt16BE(code)
  return payload
}

const acceptKey = key => crypto.createHash('sha1').update(key + GUID).digest('base64')

/**
 * Sends an opening handshake, changed by `headers` (undefined leaves one out) and followed by the bytes of `then`.
 * Resolves with the head of the answer, `{ status, headers, body }`; `socket` is a `FrameSocket` if it was accepted.
 */
async function handshake (t, port, { host = '127.0.0.1', method = 'GET', path = '/', version = '1.1', headers = {}, then = '' } = {}) {
  const key = crypto.randomBytes(16).toString('base64')
  const all = {
    host: 'tracker.example', connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': key, ...headers
  }
  const lines = Object.entries(all).filter(([, value]) => value !== undefined).map(([name, value]) => `${name}: ${value}\r\n`)
  const stream = net.connect(port, host)
  t.after(() => stream.destroy())
  stream.setNoDelay(true)
  stream.write(Buffer.concat([Buffer.from(`${method} ${path} HTTP/${version}\r\n${lines.join('')}\r\n`), Buffer.from(then)]))
  const { head, rest } = await readHead(stream)
  const [statusLine, ...headerLines] = head.split('\r\n')
  const answer = {
    status: Number(statusLine.split(' ')[1]),
    headers: Object.fromEntries(headerLines.map(parseHeader)),
    accepts: acceptKey(key)
  }
  if (answer.status === 101) {
    answer.socket = new FrameSocket(stream, rest)
  } else {
    const chunks = [rest]
    stream.on('data', chunk => chunks.push(chunk))
    const length = Number(answer.headers['content-length'] ?? 0)
    while (Buffer.concat(chunks).length < length) await new Promise((resolve, reject) => stream.once('data', resolve).once('error', reject))
    answer.body = Buffer.concat(chunks).toString()
    answer.closed = new Promise(resolve => stream.once('close', resolve))
  }
  return answer
}

function parseHeader (line) {
  const colon = line.indexOf(':')
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
}

function readHead (stream) {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0)
    const onData = chunk => {
      bytes = Buffer.concat([bytes, chunk])
      const end = bytes.indexOf('\r\n\r\n')
      if (end === -1) return
      stream.removeListener('data', onData).removeListener('error', reject).removeListener('close', onClose)
      resolve({ head: bytes.toString('latin1', 0, end), rest: bytes.subarray(end + 4) })
    }
    const onClose = () => reject(new Error(`the connection was closed without an answer: ${bytes.toString('latin1')}`))
    stream.on('data', onData).once('error', reject).once('close', onClose)
  })
}

/** The client's end of an accepted connection, one frame at a time. It answers nothing by itself. */
class FrameSocket {
  static async open (t, port, options) {
    const answer = await handshake(t, port, options)
    if (answer.status !== 101) throw new Error(`refused with ${answer.status}: ${answer.body}`)
    return answer.socket
  }

  constructor (stream, rest) {
    this.stream = stream
    this.frames = []
    this.waiting = []
    this.bytes = Buffer.alloc(0)
    /** Resolves with the status of the last close frame, or undefined if there was none. */
    this.closed = new Promise(resolve => {
      stream.once('close', () => {
        this.ended = true
        for (const waiter of this.waiting.splice(0)) waiter(undefined)
        resolve(this.closeCode)
      })
    })
    // A reset is an end like another: whoever is rude may get one.
    stream.on('error', () => {})
    stream.on('data', chunk => this.#received(chunk))
    this.#received(rest)
  }

  send (...args) {
    this.stream.write(frame(...args))
  }

  sendText (text) {
    this.send(OP.text, text)
  }

  sendJson (value) {
    this.sendText(JSON.stringify(value))
  }

  write (bytes) {
    this.stream.write(bytes)
  }

  /** The next frame, `{ opcode, fin, payload }`, or undefined at the end. */
  async next () {
    if (this.frames.length > 0) return this.frames.shift()
    if (this.ended) return undefined
    return new Promise(resolve => this.waiting.push(resolve))
  }

  /** The next text frame as JSON; other frames are passed over. */
  async nextJson () {
    for (;;) {
      const next = await this.next()
      if (next === undefined) throw new Error(`closed (${this.closeCode}) where a message was expected`)
      if (next.opcode === OP.text) return JSON.parse(next.payload.toString())
    }
  }

  #received (chunk) {
    this.bytes = Buffer.concat([this.bytes, chunk])
    for (;;) {
      const parsed = parseFrame(this.bytes)
      if (parsed === undefined) return
      this.bytes = this.bytes.subarray(parsed.size)
      if (parsed.opcode === OP.close) this.closeCode = parsed.payload.length >= 2 ? parsed.payload.readUInt16BE() : 1005
      const waiter = this.waiting.shift()
      if (waiter) waiter(parsed)
      else this.frames.push(parsed)
    }
  }
}

/** Of a server, so unmasked. */
function parseFrame (bytes) {
  if (bytes.length < 2) return undefined
  if (bytes[1] & 0x80) throw new Error('a server must not mask')
  let length = bytes[1] & 0x7f
  let at = 2
  if (length === 126) {
    if (bytes.length < 4) return undefined
    length = bytes.readUInt16BE(2)
    at = 4
  } else if (length === 127) {
    if (bytes.length < 10) return undefined
    length = Number(bytes.readBigUInt64BE(2))
    at = 10
  }
  if (bytes.length < at + length) return undefined
  return {
    opcode: bytes[0] & 0x0f,
    fin: Boolean(bytes[0] & 0x80),
    payload: bytes.subarray(at, at + length),
    size: at + length
  }
}

module.exports = { FrameSocket, OP, closePayload, frame, handshake }
