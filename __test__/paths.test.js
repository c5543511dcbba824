'use strict'

// The ways through JavaScript answer with the bytes of the engine's own: recorded requests, good and bad,
// with the same random choices.

const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { CORPUS, ROWS } = require('./helpers/paths-corpus')
const { replay } = require('./helpers/paths-replay')
const { httpPort, listen, Server, closeServer, udpPort } = require('./helpers/subjects')
const { test } = require('./helpers/test')

const OPTIONS = { stats: false, threads: 1, trustProxy: true, _seed: 20 }

/** What makes a server take each way. */
const WAYS = {
  '_onRequest replaced': server => {
    const { _onRequest } = server
    server._onRequest = function (params, cb) { _onRequest.call(this, params, cb) }
  },
  'Node listens for HTTP': server => { server.http.on('request', () => {}) },
  'Node listens, and _onRequest replaced': server => {
    WAYS['_onRequest replaced'](server)
    WAYS['Node listens for HTTP'](server)
  },
  'onUdpRequest replaced': server => {
    const { onUdpRequest } = server
    server.onUdpRequest = (msg, rinfo) => onUdpRequest.call(server, msg, rinfo)
  }
}

async function answers (t, options, prepare = () => {}) {
  const server = new Server({ ...OPTIONS, ...options })
  t.after(() => closeServer(server))
  prepare(server)
  await listen(server)
  return replay(t, { http: httpPort(server), udp: udpPort(server) }, CORPUS)
}

/** Compares one by one, so that the first that differs is named. */
function assertSame (actual, expected) {
  assert.strictEqual(actual.length, expected.length)
  const different = expected
    .map((wanted, at) => ({ name: wanted.name, wanted: wanted.answer, got: actual[at].answer }))
    .filter(({ wanted, got }) => JSON.stringify(wanted) !== JSON.stringify(got))
  assert.deepStrictEqual(different, [])
}

let native

test('the native way answers the same twice', async t => {
  native = answers(t, {})
  const first = await native
  assertSame(await answers(t, {}), first)
  for (const [at, entry] of CORPUS.entries()) {
    if (entry.silent) assert.deepStrictEqual(first[at].answer, [], entry.name)
  }
})

for (const [way, prepare] of Object.entries(WAYS)) {
  test(`${way}: the same bytes as natively`, async t => {
    assertSame(await answers(t, {}, prepare), await native)
  })
}

test('a filter that allows everything: the same bytes as without', async t => {
  assertSame(await answers(t, { filter: (infoHash, params, cb) => cb(null) }), await native)
})

test('another seed, other bytes', async t => {
  const other = await answers(t, { _seed: 21 })
  assert.notDeepStrictEqual(other, await native)
})

test('the differences for which the original is not asked are listed in the README', () => {
  const readme = fs.readFileSync(path.join(__dirname, '..', 'README.md'), 'utf8')
  for (const row of Object.values(ROWS)) assert.ok(readme.includes(`| ${row} |`), row)
})
