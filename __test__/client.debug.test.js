'use strict'

// What `DEBUG=bittorrent-tracker:*` shows of clients, and that it costs nothing when it is off.

const assert = require('node:assert')
const { test } = require('./helpers/test')
const { FakeHttpTracker } = require('./helpers/fake-http-tracker')
const { FakeUdpTracker } = require('./helpers/fake-udp-tracker')
const { FakeWebSocketTracker } = require('./helpers/fake-websocket-tracker')
const { spawnNode } = require('./helpers/processes')

const INFO_HASH = 'a'.repeat(40)

/** Announces at every tracker, and leaves when all have answered. */
const SCRIPT = `
  const Client = require(process.argv[1])
  const announce = process.argv.slice(2)
  const client = new Client({ infoHash: '${INFO_HASH}', peerId: 'b'.repeat(40), port: 6881, announce, wrtc: {} })
  client.on('warning', () => {})
  client.on('update', () => {
    announce.pop()
    if (announce.length === 0) client.destroy()
  })
  client.start({ left: 1, numwant: 0 })
`

/** The lines of the child as `[namespace, text]`; not a terminal, so there are no colours. */
function lines ({ stderr }) {
  return stderr.trim().split('\n').map(line => /^\S+ bittorrent-tracker:(\S+) (.*)$/.exec(line).slice(1))
}

async function run (t, DEBUG, answer) {
  const [http, udp, webSocket] = await Promise.all([
    FakeHttpTracker.start(t, answer), FakeUdpTracker.start(t), FakeWebSocketTracker.start(t)
  ])
  const urls = [http.url, udp.url, webSocket.url]
  const result = await spawnNode(t, SCRIPT, { args: urls, env: { ...process.env, DEBUG } }).ended
  return { urls, result }
}

test('each namespace of a client tells what it does', async t => {
  const { urls: [http, udp, webSocket], result } = await run(t, 'bittorrent-tracker:*')
  const said = lines(result)
  const expected = {
    client: [`new client of ${INFO_HASH} at [ '${http}', '${udp}', '${webSocket}' ]`,
      `announce ${INFO_HASH}: { left: 1,`, `destroy the client of ${INFO_HASH}`],
    'http-tracker': [`request { url: '${http}', announce: {`, `'${http}' answered: {`, `destroy '${http}'`],
    'udp-tracker': [`request { url: '${udp}', announce: {`, `'${udp}' answered: {`, `destroy '${udp}'`],
    'websocket-tracker': [`connect to '${webSocket}'`, `connected to '${webSocket}'`, `send to '${webSocket}': {`,
      `received from '${webSocket}': '{`, `destroy '${webSocket}'`]
  }
  for (const [namespace, starts] of Object.entries(expected)) {
    const texts = said.filter(([name]) => name === namespace).map(([, text]) => text)
    let from = 0
    for (const start of starts) {
      const at = texts.findIndex((text, index) => index >= from && text.startsWith(start))
      assert.notStrictEqual(at, -1, `${namespace}: no "${start}" in its turn among\n${texts.join('\n')}`)
      from = at + 1
    }
  }
  assert.deepStrictEqual([...new Set(said.map(([name]) => name))].sort(), Object.keys(expected).sort())
})

test('one namespace comes alone', async t => {
  const { result } = await run(t, 'bittorrent-tracker:udp-tracker')
  assert.deepStrictEqual([...new Set(lines(result).map(([name]) => name))], ['udp-tracker'])
})

test('nothing is said when it is off', async t => {
  const { result } = await run(t, '')
  assert.deepStrictEqual([result.stdout, result.stderr], ['', ''])
})

test('what a tracker says reaches no terminal as a command', async t => {
  const http = await FakeHttpTracker.start(t, () => ({ 'failure reason': '\x1b[2Jgone\x9b1A' }))
  const child = spawnNode(t, `
    const client = new (require(process.argv[1]))({ infoHash: '${INFO_HASH}', peerId: 'b'.repeat(40), port: 1, announce: process.argv[2] })
    client.on('warning', () => client.destroy())
    client.start()
  `, { args: [http.url], env: { ...process.env, DEBUG: 'bittorrent-tracker:*' } })
  const said = lines(await child.ended)
  assert.ok(said.some(([, text]) => text.includes('failed: \'\\x1B[2Jgone')), JSON.stringify(said))
  assert.ok(said.every(([, text]) => !/[\x00-\x1f\x7f-\x9f]/.test(text)))
})

test('nobody loads it unasked, and a program can switch it on later', async t => {
  const child = spawnNode(t, `
    const Client = require(process.argv[1])
    const opts = { infoHash: '${INFO_HASH}', peerId: 'b'.repeat(40), port: 6881, announce: [] }
    new Client(opts)
    const isLoaded = Object.keys(require.cache).some(file => /[\\\\/]node_modules[\\\\/]debug[\\\\/]/.test(file))
    const debug = require(require.resolve('debug', { paths: [process.argv[1]] }))
    debug.enable('bittorrent-tracker:client')
    new Client(opts)
    debug.disable()
    new Client(opts)
    console.log(isLoaded)
  `, { env: { ...process.env, DEBUG: '' } })
  const result = await child.ended
  assert.deepStrictEqual(lines(result), [['client', `new client of ${INFO_HASH} at []`]])
  assert.strictEqual(result.stdout, 'false\n')
})
