'use strict'

// Client and Server as modules, as classes and as emitters: what any program may expect of Node's own.

const assert = require('node:assert')
const { EventEmitter, errorMonitor, on, once } = require('node:events')
const { spawnSync } = require('node:child_process')
const { test } = require('./helpers/test')
const { callback, nextValue, record } = require('./helpers/events')
const { FakeHttpTracker } = require('./helpers/fake-http-tracker')
const { ROOT, spawnNode } = require('./helpers/processes')
const { Client, Server, closeServer, clientOptions, createClient, destroyClient, httpUrl, startServer } = require('./helpers/subjects')
const manifest = require('../package.json')

const NAME = manifest.name

/** Runs a module that finds this package by its name, and gives back the JSON that it prints. */
function evaluate (source, ...flags) {
  const result = spawnSync(process.execPath, [...flags, '-e', source], { cwd: ROOT, encoding: 'utf8' })
  assert.strictEqual(result.status, 0, result.stderr)
  return JSON.parse(result.stdout)
}

test('import: default and names, at every subpath, the same classes as by require', () => {
  const same = evaluate(`
    import Client, { Client as C2, Server } from '${NAME}'
    import * as namespace from '${NAME}'
    import C3 from '${NAME}/client'
    import S2 from '${NAME}/server'
    import WebSocketTracker from '${NAME}/websocket-tracker'
    import manifest from '${NAME}/package.json' with { type: 'json' }
    import { createRequire } from 'node:module'
    const require = createRequire(import.meta.url)
    const C4 = require('${NAME}')
    console.log(JSON.stringify({
      clients: [C2, C3, C4, C4.Client, namespace.default, require('${NAME}/client')].every(it => it === Client),
      servers: [S2, C4.Server, Client.Server, namespace.Server, require('${NAME}/server')].every(it => it === Server),
      trackers: [require('${NAME}/websocket-tracker')].every(it => it === WebSocketTracker),
      names: [Client.name, Server.name, WebSocketTracker.name],
      versions: [manifest.version, require('${NAME}/package.json').version]
    }))`, '--input-type=module')
  assert.deepStrictEqual(same, {
    clients: true,
    servers: true,
    trackers: true,
    names: ['Client', 'Server', 'WebSocketTracker'],
    versions: [manifest.version, manifest.version]
  })
})

test('what is not exported stays inside', () => {
  for (const subpath of ['lib/client', 'lib/native.js', 'binding.js', 'browser.js']) {
    assert.throws(() => require(`${NAME}/${subpath}`), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' }, subpath)
  }
})

test('instances are of their class and of the emitters, and so are those of subclasses', t => {
  const client = createClient(t, { announce: [] })
  assert.ok(client instanceof Client && client instanceof EventEmitter)
  assert.strictEqual(client.constructor, Client)
  assert.ok(!(client instanceof Server))
  const server = new Server()
  assert.ok(server instanceof Server && server instanceof EventEmitter)
  assert.strictEqual(server.constructor, Server)

  class MyClient extends Client {
    constructor (opts) {
      super(opts)
      this.mine = true
    }

    start (opts) {
      this.started = true
      super.start(opts)
    }
  }
  const mine = new MyClient(clientOptions({ announce: [] }))
  t.after(() => destroyClient(mine))
  mine.start()
  assert.ok(mine instanceof MyClient && mine instanceof Client)
  assert.deepStrictEqual([mine.constructor, mine.mine, mine.started], [MyClient, true, true])

  class MyServer extends Server {}
  const myServer = new MyServer()
  assert.ok(myServer instanceof MyServer && myServer instanceof Server)
})

/** Both as emitters, with an event `name` that `fire()` causes again and again. */
const EMITTERS = {
  Client: async t => {
    const tracker = await FakeHttpTracker.start(t)
    const client = createClient(t, { announce: tracker.url })
    return { emitter: client, name: 'update', fire: () => client.update() }
  },
  Server: async t => {
    const server = await startServer(t)
    const client = createClient(t, { announce: httpUrl(server) })
    // The first announce is a start, whatever it says.
    client.update()
    await nextValue(client, 'update')
    return { emitter: server, name: 'update', fire: () => client.update() }
  }
}

for (const [className, create] of Object.entries(EMITTERS)) {
  test(`${className}: once comes once, off ends it, prepended listeners come first`, async t => {
    const { emitter, name, fire } = await create(t)
    const calls = []
    const off = () => calls.push('off')
    assert.strictEqual(emitter.on(name, () => calls.push('on')), emitter)
    assert.strictEqual(emitter.once(name, () => calls.push('once')), emitter)
    assert.strictEqual(emitter.prependListener(name, () => calls.push('prepended')), emitter)
    assert.strictEqual(emitter.prependOnceListener(name, () => calls.push('prepended once')), emitter)
    assert.strictEqual(emitter.addListener(name, off), emitter)
    assert.strictEqual(emitter.listenerCount(name), 5)
    assert.strictEqual(emitter.off(name, off), emitter)
    assert.strictEqual(emitter.rawListeners(name).length, 4)
    for (let n = 0; n < 2; n++) {
      const next = once(emitter, name)
      fire()
      await next
    }
    assert.deepStrictEqual(calls, ['prepended once', 'prepended', 'on', 'once', 'prepended', 'on'])
    assert.strictEqual(emitter.listenerCount(name), 2)
    assert.deepStrictEqual(emitter.eventNames(), [name])
    assert.strictEqual(emitter.removeAllListeners(name), emitter)
    assert.deepStrictEqual(emitter.eventNames(), [])
  })

  test(`${className}: events can be awaited, iterated and aborted`, async t => {
    const { emitter, name, fire } = await create(t)
    const abort = new AbortController()
    const seen = []
    await assert.rejects(async () => {
      const events = on(emitter, name, { signal: abort.signal })
      fire()
      for await (const args of events) {
        seen.push(args)
        if (seen.length === 3) abort.abort()
        else fire()
      }
    }, { name: 'AbortError' })
    assert.strictEqual(seen.length, 3)
    assert.strictEqual(emitter.listenerCount(name), 0)
  })

  test(`${className}: setMaxListeners counts, newListener and removeListener tell`, async t => {
    const { emitter, name } = await create(t)
    assert.strictEqual(emitter.getMaxListeners(), EventEmitter.defaultMaxListeners)
    assert.strictEqual(emitter.setMaxListeners(1), emitter)
    const told = []
    emitter.on('newListener', (event, listener) => told.push(['new', event, listener]))
    emitter.on('removeListener', (event, listener) => told.push(['remove', event, listener]))
    const [a, b] = [() => {}, () => {}]
    const warning = once(process, 'warning')
    emitter.on(name, a)
    emitter.on(name, b)
    const [{ name: kind, emitter: blamed }] = await warning
    assert.deepStrictEqual([kind, blamed === emitter], ['MaxListenersExceededWarning', true])
    emitter.removeListener(name, a)
    assert.deepStrictEqual(told.slice(1), [['new', name, a], ['new', name, b], ['remove', name, a]])
  })

  test(`${className}: an error that nobody listens for is thrown, one that somebody does is not`, async t => {
    const { emitter } = await create(t)
    const err = new Error('of the program')
    assert.throws(() => emitter.emit('error', err), err)
    const monitored = []
    emitter.on(errorMonitor, error => monitored.push(error))
    assert.throws(() => emitter.emit('error', err), err)
    assert.strictEqual(emitter.emit('other'), false)
    const errors = record(emitter, 'error')
    assert.strictEqual(emitter.emit('error', err), true)
    assert.deepStrictEqual([monitored, errors.of('error')], [[err, err], [[err]]])
  })
}

test('an error of a client without a listener is an uncaught exception, monitors hear of it first', async t => {
  const child = spawnNode(t, `
    const { errorMonitor } = require('events')
    const client = new (require(process.argv[1]))({ infoHash: 'a'.repeat(40), peerId: 'b'.repeat(40), port: 1, announce: 'http://127.0.0.1:1/x' })
    const said = []
    client.on(errorMonitor, err => said.push('monitor ' + err.code))
    process.on('uncaughtException', err => {
      said.push('uncaught ' + err.code)
      client.destroy(() => console.log(said.join()))
    })
    client.scrape()
  `)
  const code = 'ERR_TRACKER_SCRAPE_NOT_SUPPORTED'
  assert.strictEqual((await child.ended).stdout.trim(), `monitor ${code},uncaught ${code}`)
})

test('an error of a server without a listener is an uncaught exception, monitors hear of it first', async t => {
  const other = await startServer(t, { udp: false }, 0, '127.0.0.1')
  const child = spawnNode(t, `
    const { errorMonitor } = require('events')
    const server = new (require(process.argv[1]).Server)({ udp: false, ws: false })
    server.on(errorMonitor, err => console.log('monitor ' + err.code))
    process.on('uncaughtException', err => console.log('uncaught ' + err.code))
    server.listen(process.argv[2], '127.0.0.1')
  `, { args: [String(other.http.address().port)] })
  assert.strictEqual((await child.ended).stdout.trim(), 'monitor EADDRINUSE\nuncaught EADDRINUSE')
})

test('what any kind of listener throws is an uncaught exception, and the others of the batch still come', async t => {
  const child = spawnNode(t, `
    const Client = require(process.argv[1])
    const server = new Client.Server({ udp: false, ws: false })
    const fail = name => () => { throw new Error(name) }
    const said = []
    let client
    process.on('uncaughtException', err => {
      said.push(err.message)
      if (err.message === 'listening') announce()
      if (said.length < 5) return
      client.destroy(() => server.close(() => console.log(said.sort().join())))
    })
    function announce () {
      const url = 'http://127.0.0.1:' + server.http.address().port + '/announce'
      client = new Client({ infoHash: 'a'.repeat(40), peerId: 'b'.repeat(40), port: 1, announce: url })
      for (const name of ['update', 'peer', 'scrape']) client.on(name, fail(name))
      client.start({ left: 1 })
      client.once('peer', fail('never'))
      server.once('start', fail('never'))
      client.prependListener('peer', () => client.scrape())
    }
    for (const name of ['listening', 'start']) server.on(name, fail(name))
    server.listen(0, '127.0.0.1')
  `)
  assert.strictEqual((await child.ended).stdout.trim(), 'listening,peer,scrape,start,update')
})

test('a listener may destroy its client, close its server and remove itself', async t => {
  const { emitter: client, fire } = await EMITTERS.Client(t)
  const destroyed = callback(cb => client.once('update', () => client.destroy(cb)))
  fire()
  assert.deepStrictEqual(await destroyed, [null])

  const server = await startServer(t)
  const other = createClient(t, { announce: httpUrl(server) })
  const closed = callback(cb => server.on('start', function onStart () {
    assert.strictEqual(this, server)
    server.off('start', onStart)
    server.close(cb)
  }))
  other.on('warning', () => {})
  other.start()
  assert.deepStrictEqual(await closed, [null])
  await closeServer(server)
})

test('listeners are called on their emitter', async t => {
  const { emitter, name, fire } = await EMITTERS.Client(t)
  const self = new Promise(resolve => emitter.on(name, function () { resolve(this) }))
  fire()
  assert.strictEqual(await self, emitter)
  fire()
  await nextValue(emitter, name)
})
