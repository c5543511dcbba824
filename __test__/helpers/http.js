'use strict'

const http = require('node:http')
const net = require('node:net')
const { decode } = require('./bencode')

/** One request on a connection of its own. Resolves with `{ status, headers, body }`. */
function request (port, path, { host = '127.0.0.1', method = 'GET', headers = {}, agent = false } = {}) {
  return new Promise((resolve, reject) => {
    http.request({ host, port, path, method, headers, agent }, res => {
      const chunks = []
      res.on('data', chunk => chunks.push(chunk))
      res.on('error', reject)
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(chunks) }))
    }).on('error', reject).end()
  })
}

/** A request whose answer is a bencoded dictionary; resolves with it as a Map. */
async function bencoded (port, path, options) {
  const { body } = await request(port, path, options)
  return decode(body)
}

/** Sends raw bytes and resolves with all that comes back until the server ends the connection. */
function raw (port, bytes, { host = '127.0.0.1' } = {}) {
  return new Promise((resolve, reject) => {
    const chunks = []
    const socket = net.connect(port, host, () => socket.write(bytes))
    socket.on('data', chunk => chunks.push(chunk))
    // A reset after a rude request is an end like another.
    socket.on('error', err => err.code === 'ECONNREFUSED' ? reject(err) : undefined)
    socket.on('close', () => resolve(Buffer.concat(chunks)))
  })
}

/** `%XX` for every byte. */
const percent = bytes => [...bytes].map(byte => '%' + byte.toString(16).padStart(2, '0')).join('')

/** The path of an announce; hex `info_hash` and `peer_id`, everything else as given. */
function announcePath ({ infoHash, peerId, ...params }, path = '/announce') {
  const query = Object.entries({ port: 6881, uploaded: 0, downloaded: 0, left: 16384, compact: 1, ...params })
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${value}`)
  if (peerId !== undefined) query.unshift(`peer_id=${percent(Buffer.from(peerId, 'hex'))}`)
  if (infoHash !== undefined) query.unshift(`info_hash=${percent(Buffer.from(infoHash, 'hex'))}`)
  return `${path}?${query.join('&')}`
}

/** The path of a scrape for these hex hashes. */
function scrapePath (...hashes) {
  return `/scrape?${hashes.map(hash => `info_hash=${percent(Buffer.from(hash, 'hex'))}`).join('&')}`
}

module.exports = { request, bencoded, raw, percent, announcePath, scrapePath }
