'use strict'

const assert = require('node:assert')
const { execFileSync } = require('node:child_process')
const path = require('node:path')
const { test } = require('./helpers/test')
const { next, record } = require('./helpers/events')
const { UdpPeer } = require('./helpers/udp')
const { announcePath, bencoded, scrapePath } = require('./helpers/http')
const { httpPort, randomHex, startServer, stranger, udpPort } = require('./helpers/subjects')

const EVENTS = ['start', 'update', 'complete', 'pause', 'stop']

/** An announcer over each transport: resolves with the counts of the answer. */
const TRANSPORTS = {
  http: async (t, server) => async ({ numwant, ...params }) => {
    const answer = await bencoded(httpPort(server), announcePath(params))
    return { complete: answer.get('complete'), incomplete: answer.get('incomplete') }
  },
  udp: async (t, server) => {
    const peer = await UdpPeer.open(t, udpPort(server))
    return async params => {
      const { complete, incomplete } = await peer.announce(params)
      return { complete, incomplete }
    }
  }
}

for (const [transport, open] of Object.entries(TRANSPORTS)) {
  const setUp = async t => {
    const server = await startServer(t)
    const events = record(server, ...EVENTS)
    const announce = await open(t, server)
    const who = { ...stranger() }
    return {
      server,
      events,
      swarm: () => server.torrents[who.infoHash],
      // The counts of the answer and the event that follows it.
      step: async params => {
        const n = events.log.length
        const counts = await announce({ ...who, ...params })
        await events.until(() => events.log.length > n)
        return [events.log[n].name, counts.complete, counts.incomplete]
      },
      announce: params => announce({ ...who, ...params })
    }
  }

  test(`${transport}: the life of a peer`, async t => {
    const { step } = await setUp(t)
    assert.deepStrictEqual(await step({ event: 'started', left: 10 }), ['start', 0, 1])
    assert.deepStrictEqual(await step({ event: 'update', left: 5 }), ['update', 0, 1])
    assert.deepStrictEqual(await step({ event: 'paused', left: 5 }), ['pause', 0, 1])
    assert.deepStrictEqual(await step({ event: 'completed', left: 0 }), ['complete', 1, 0])
    assert.deepStrictEqual(await step({ event: 'update', left: 0 }), ['update', 1, 0])
    assert.deepStrictEqual(await step({ event: 'stopped', left: 0 }), ['stop', 0, 0])
  })

  test(`${transport}: started twice counts once`, async t => {
    const { step, swarm } = await setUp(t)
    await step({ event: 'started', left: 10 })
    const [, ...counts] = await step({ event: 'started', left: 10 })
    assert.deepStrictEqual(counts, [0, 1])
    assert.strictEqual(swarm().peers.length, 1)
  })

  for (const event of ['completed', 'update', 'paused']) {
    test(`${transport}: ${event} of an unknown peer is a start`, async t => {
      const { step } = await setUp(t)
      const [, ...counts] = await step({ event, left: event === 'completed' ? 0 : 10 })
      assert.deepStrictEqual(counts, event === 'completed' ? [1, 0] : [0, 1])
    })
  }

  test(`${transport}: stopped of an unknown peer is answered and changes nothing`, async t => {
    const { announce } = await setUp(t)
    assert.deepStrictEqual(await announce({ event: 'stopped' }), { complete: 0, incomplete: 0 })
  })

  test(`${transport}: completed twice counts once`, async t => {
    const { step } = await setUp(t)
    await step({ event: 'started', left: 10 })
    await step({ event: 'completed', left: 0 })
    const [, ...counts] = await step({ event: 'completed', left: 0 })
    assert.deepStrictEqual(counts, [1, 0])
  })

  test(`${transport}: an update with nothing left makes a seeder, one with more left a leecher again`, async t => {
    const { step } = await setUp(t)
    await step({ event: 'started', left: 10 })
    assert.deepStrictEqual((await step({ event: 'update', left: 0 })).slice(1), [1, 0])
    assert.deepStrictEqual((await step({ event: 'update', left: 7 })).slice(1), [0, 1])
  })
}

for (const event of [undefined, '', 'empty']) {
  test(`http: event=${event} is an update`, async t => {
    const server = await startServer(t)
    const updated = next(server, 'update')
    await bencoded(httpPort(server), announcePath({ ...stranger(), event }))
    const [, params] = await updated
    assert.strictEqual(params.event, 'update')
  })
}

test('every announce is emitted once, those of one peer in order', async t => {
  const server = await startServer(t)
  const events = record(server, ...EVENTS)
  const peer = await UdpPeer.open(t, udpPort(server))
  const [infoHash, peerId] = [randomHex(), randomHex()]
  const expected = []
  for (let i = 0; i < 200; i++) {
    const [event, name] = [['started', 'start'], ['update', 'update'], ['completed', 'complete'], ['stopped', 'stop']][i % 4]
    await peer.announce({ infoHash, peerId, event, left: event === 'completed' ? 0 : 1, numwant: i % 50 })
    expected.push(`${name} ${i % 50 || 0}`)
  }
  await events.until(() => events.log.length >= expected.length)
  assert.deepStrictEqual(events.log.map(({ name, args }) => `${name} ${args[1].numwant}`), expected)
})

// Not on the JavaScript path: this thread would have to answer while it waits for the one who asks.
if (process.env.TRACKER_FORCE_JAVASCRIPT !== '1') {
  test('more events than one batch holds all arrive', async t => {
    const server = await startServer(t, { http: false })
    const events = record(server, 'start')
    // From another process, while this thread can take none: they wait in the engine all together.
    execFileSync(process.execPath, ['-e', `
      const { randomHex } = require('./subjects')
      const { UdpPeer } = require('./udp')
      UdpPeer.open({ after () {} }, Number(process.argv[1])).then(async peer => {
        for (let i = 0; i < 2000; i++) {
          await peer.announce({ infoHash: randomHex(), peerId: randomHex(), event: 'started', numwant: 1 })
        }
        peer.socket.close()
      })
    `, String(udpPort(server))], { cwd: path.join(__dirname, 'helpers') })
    assert.strictEqual(events.log.length, 0)
    await events.count('start', 2000)
    assert.strictEqual(new Set(events.of('start').map(([, params]) => params.info_hash)).size, 2000)
  })
}

test('a listener added late gets what comes after it, a removed one nothing', async t => {
  const server = await startServer(t, { udp: false })
  const announce = () => bencoded(httpPort(server), announcePath({ ...stranger(), event: 'started' }))
  await announce()
  let calls = 0
  const listener = () => { calls++ }
  server.on('start', listener)
  const seen = next(server, 'start')
  await announce()
  await seen
  assert.strictEqual(calls, 1)
  server.removeListener('start', listener)
  const events = record(server, 'stop')
  await announce()
  await bencoded(httpPort(server), announcePath({ ...stranger(), event: 'stopped' }))
  await events.count('stop', 1)
  assert.strictEqual(calls, 1)
})

test('a listener that throws does not take the rest with it', async t => {
  const { spawnNode } = require('./helpers/processes')
  const child = spawnNode(t, `
    const { Server } = require(process.argv[1])
    const http = require('http')
    const server = new Server({ udp: false, ws: false, stats: false })
    let thrown = 0, seen = 0
    process.on('uncaughtException', () => { thrown++ })
    server.on('start', () => {
      seen++
      if (seen === 1) throw new Error('listener')
      if (seen === 3) server.close(() => console.log(JSON.stringify({ thrown, seen })))
    })
    server.listen(0, '127.0.0.1', async () => {
      for (let i = 1; i <= 3; i++) {
        const path = '/announce?event=started&left=1&info_hash=' + 'a'.repeat(20) + '&peer_id=' + 'b'.repeat(20) + '&port=' + i
        await new Promise(resolve => http.get({ port: server.http.address().port, host: '127.0.0.1', path, agent: false }, res => res.resume().on('end', resolve)))
      }
    })
  `)
  assert.deepStrictEqual(JSON.parse((await child.ended).stdout), { thrown: 1, seen: 3 })
})

test('a scrape emits nothing', async t => {
  const server = await startServer(t, { udp: false })
  const events = record(server, ...EVENTS, 'warning')
  await bencoded(httpPort(server), scrapePath(randomHex()))
  const started = next(server, 'start')
  await bencoded(httpPort(server), announcePath({ ...stranger(), event: 'started' }))
  await started
  assert.deepStrictEqual(events.names, ['start'])
})
