'use strict'

// The recorded requests at the server of the package that this one replaces: where no listed difference applies,
// the answers say the same. Which peers they name is random where there are more than were wanted.

const assert = require('node:assert')
const { decode } = require('../helpers/bencode')
const { fromCompact } = require('../helpers/compact')
const { startOriginal } = require('../helpers/original')
const { CORPUS } = require('../helpers/paths-corpus')
const { replay } = require('../helpers/paths-replay')
const { httpPort, startServer, udpPort } = require('../helpers/subjects')
const { test } = require('../helpers/test')
const { decodeReply } = require('../helpers/udp')

const OPTIONS = { ws: true, trustProxy: true }

// Believing proxies, the original takes `::ffff:127.0.0.1` for IPv6 where there is none.
const SUB_CORPUS = CORPUS
  .filter(({ differs }) => differs === undefined)
  .map(entry => ({ ...entry, headers: entry.headers ?? { 'x-forwarded-for': '127.0.0.1' } }))

/** What an answer says, without what the README lists: content types, ids, true counts of downloads. */
function meaning ({ over }, answer) {
  if (over === 'http') return ofHttp(answer)
  return over === 'ws' ? ofWebSocket(answer) : ofUdp(answer)
}

function ofHttp ({ status, body }) {
  const reply = decode(Buffer.from(body, 'latin1'))
  const { peers, peers6, ...rest } = Object.fromEntries(reply)
  if (rest.files) rest.files = [...rest.files].map(([hash, row]) => [hash, row.get('complete'), row.get('incomplete')])
  if (rest['failure reason']) rest['failure reason'] = String(rest['failure reason'])
  if (peers === undefined) return { status, ...rest }
  const all = Array.isArray(peers)
    ? peers.map(peer => `${peer.get('ip')}:${peer.get('port')}`)
    : [...fromCompact(peers), ...fromCompact(peers6 ?? Buffer.alloc(0), 6)]
  return { status, isList: Array.isArray(peers), ...rest, ...named(all, rest) }
}

function ofUdp (answer) {
  if (Array.isArray(answer) || answer.length === 8) return answer
  const { files, peers, length, ...rest } = decodeReply(Buffer.from(answer, 'latin1'))
  // The original draws peers of IPv6 as well, and then leaves them out.
  if (peers?.length < rest.complete + rest.incomplete) return rest
  return { ...rest, files: files?.map(({ downloaded, ...row }) => row), ...named(peers ?? [], rest) }
}

function ofWebSocket (answer) {
  if (typeof answer === 'string') return answer
  return Object.fromEntries(Object.entries(answer).map(([name, { texts, closed }]) => [name, [
    ...texts.map(text => {
      const { files, ...rest } = JSON.parse(text)
      if (files === undefined) return rest
      return { ...rest, files: Object.entries(files).map(([hash, { downloaded, ...row }]) => [hash, row]).sort() }
    }),
    closed
  ]]))
}

/** The set of peers, or where they are a choice, how many. */
function named (peers, { complete, incomplete }) {
  assert.strictEqual(new Set(peers).size, peers.length, 'nobody is named twice')
  return peers.length < complete + incomplete ? { count: peers.length } : { peers: peers.sort() }
}

// The first run asks npm for the package.
test('recorded requests: the same answers as the original\'s', { timeout: 180_000 }, async t => {
  assert.ok(SUB_CORPUS.length >= 150, `${SUB_CORPUS.length} requests`)
  const original = await startOriginal(t, OPTIONS)
  const [http, udp] = [original.httpUrl, original.udpUrl].map(url => Number(new URL(url).port))
  const theirs = await replay(t, { http, udp }, SUB_CORPUS)
  const server = await startServer(t, OPTIONS)
  const ours = await replay(t, { http: httpPort(server), udp: udpPort(server) }, SUB_CORPUS)
  const different = SUB_CORPUS
    .map((entry, at) => ({
      name: entry.name, theirs: meaning(entry, theirs[at].answer), ours: meaning(entry, ours[at].answer)
    }))
    .filter(({ theirs, ours }) => JSON.stringify(theirs, replaced) !== JSON.stringify(ours, replaced))
  assert.deepStrictEqual(different, [])
})

// Keys of objects have no order that matters.
function replaced (key, value) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort())
}
