'use strict'

const crypto = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')
const { encode } = require('./bencode')

const PIECE_LENGTH = 32 * 1024

/** A file of random bytes in `dir` and its torrent: `{ infoHash, torrentFile, name, sha256 }`. */
function makeTorrent (dir, announce, { size = 1_000_003, name = 'payload.bin' } = {}) {
  const content = crypto.randomBytes(size)
  const pieces = []
  for (let at = 0; at < size; at += PIECE_LENGTH) pieces.push(sha('sha1', content.subarray(at, at + PIECE_LENGTH)))
  const info = { length: size, name, 'piece length': PIECE_LENGTH, pieces: Buffer.concat(pieces) }
  fs.mkdirSync(dir, { recursive: true })
  fs.writeFileSync(path.join(dir, name), content)
  const torrentFile = path.join(dir, `${name}.torrent`)
  fs.writeFileSync(torrentFile, encode({ announce, info }))
  return { infoHash: sha('sha1', encode(info)).toString('hex'), torrentFile, name, sha256: sha('sha256', content).toString('hex') }
}

const sha = (algorithm, bytes) => crypto.createHash(algorithm).update(bytes).digest()

/** The SHA-256 of a file, in hex. */
const hashFile = file => sha('sha256', fs.readFileSync(file)).toString('hex')

module.exports = { makeTorrent, hashFile }
