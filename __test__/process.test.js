'use strict'

const assert = require('node:assert')
const { Worker } = require('node:worker_threads')
const { once } = require('node:events')
const { test } = require('./helpers/test')
const { callback } = require('./helpers/events')
const { FakeHttpTracker } = require('./helpers/fake-http-tracker')
const { FakeUdpTracker } = require('./helpers/fake-udp-tracker')
const { ROOT, spawnNode } = require('./helpers/processes')
const { announcePath, bencoded } = require('./helpers/http')
const { httpPort, startServer, stranger } = require('./helpers/subjects')

const onLinux = process.platform === 'linux' ? {} : { skip: 'threads are counted in /proc' }
const NEW_CLIENT = 'const Client = require(process.argv[1]); const client = new Client({ infoHash: \'a\'.repeat(40), peerId: \'b\'.repeat(40), port: 6881, announce: process.argv[2] })'

test('require starts no thread and opens no socket', onLinux, async t => {
  const child = spawnNode(t, `
    const fs = require('fs')
    // Worker threads of Node itself start with the first asynchronous file access; have them all before counting.
    fs.readFile(process.execPath + '/none', () => {
      const count = name => fs.readdirSync('/proc/self/' + name).length
      const before = [count('task'), count('fd')]
      const Client = require(process.argv[1])
      new Client.Server({ ws: false, stats: false, udp: {} })
      new Client({ infoHash: 'a'.repeat(40), peerId: 'b'.repeat(40), port: 1, announce: 'udp://127.0.0.1:1' })
      console.log(JSON.stringify({ before, after: [count('task'), count('fd')] }))
    })
  `)
  const { before, after } = JSON.parse((await child.ended).stdout)
  assert.deepStrictEqual(after, before)
})

for (const [name, Tracker] of [['HTTP', FakeHttpTracker], ['UDP', FakeUdpTracker]]) {
  test(`three lines with a ${name} tracker get their answer before the process ends`, async t => {
    const tracker = await Tracker.start(t)
    const child = spawnNode(t, `${NEW_CLIENT}
      client.on('update', data => console.log('update ' + data.announce))
      client.start()`, { args: [tracker.url] })
    assert.match((await child.ended).stdout, new RegExp(`^update ${tracker.url}$`, 'm'))
  })

  test(`a scrape of a ${name} tracker gets its answer before the process ends`, async t => {
    const tracker = await Tracker.start(t, Tracker === FakeHttpTracker ? () => ({ files: { ['\xaa'.repeat(20)]: { complete: 1, incomplete: 100, downloaded: 10 } } }) : {})
    const child = spawnNode(t, `
      require(process.argv[1]).scrape({ infoHash: 'a'.repeat(40), announce: process.argv[2] }, (err, data) => console.log(err || data.complete))
    `, { args: [tracker.url] })
    assert.strictEqual((await child.ended).stdout.trim(), '1')
  })

  test(`a ${name} client that is destroyed lets the process exit, and its stop arrives`, async t => {
    const tracker = await Tracker.start(t)
    const child = spawnNode(t, `${NEW_CLIENT}
      client.once('update', () => { client.stop(); client.destroy(() => console.log('destroyed')) })
      client.start()`, { args: [tracker.url] })
    assert.match((await child.ended).stdout, /destroyed/)
    if (Tracker === FakeHttpTracker) assert.strictEqual((await tracker.request(2)).query.event, 'stopped')
    else assert.strictEqual((await tracker.packet('announce', 2)).readUInt32BE(80), 3)
  })

  test(`an idle ${name} client with its timer running lets the process exit`, async t => {
    const tracker = await Tracker.start(t)
    const child = spawnNode(t, `${NEW_CLIENT}
      client.on('update', () => {})
      client.setInterval(3600_000)
      client.start()`, { args: [tracker.url] })
    await child.ended
  })
}

test('a tracker that nobody is at lets the process exit', async t => {
  const tracker = await FakeHttpTracker.start(t)
  const { url } = tracker
  await tracker.stop()
  tracker.stop = () => {}
  const child = spawnNode(t, `${NEW_CLIENT}
    client.on('warning', err => console.log(err.code))
    client.start()`, { args: [url] })
  assert.match((await child.ended).stdout, /^ERR_TRACKER_/)
})

test('a listening server keeps the process, a closed one lets it exit', async t => {
  const child = spawnNode(t, `
    const { Server } = require(process.argv[1])
    const server = new Server({ ws: false, stats: false })
    server.listen(0, () => console.log('port ' + server.http.address().port))
    process.on('message', () => server.close(err => { console.log('closed ' + err); process.disconnect() }))
    process.channel.unref()
  `, { ipc: true })
  const [, port] = await child.line(/port (\d+)/)
  await bencoded(Number(port), announcePath({ ...stranger() }))
  child.send('close')
  assert.match((await child.ended).stdout, /closed (null|undefined)/)
})

test('a server that never listened lets the process exit', async t => {
  await spawnNode(t, 'const { Server } = require(process.argv[1]); new Server(); new Server({ ws: false })').ended
})

test('a process can end in the middle of everything', async t => {
  const server = await startServer(t)
  for (const end of ['process.exit(0)', 'process.kill(process.pid, \'SIGTERM\')']) {
    const child = spawnNode(t, `
      const Client = require(process.argv[1])
      const server = new Client.Server({ ws: false, stats: false })
      server.on('start', () => {})
      server.listen(0, () => {
        const client = new Client({ infoHash: 'a'.repeat(40), peerId: 'b'.repeat(40), port: 1, announce: [process.argv[2], 'udp://127.0.0.1:' + server.udp.address().port] })
        client.once('update', () => { process.once('SIGTERM', () => process.exit(0)); for (let i = 0; i < 50; i++) client.update(); ${end} })
        client.start()
      })
    `, { args: [`http://127.0.0.1:${httpPort(server)}/announce`] })
    await child.ended
  }
})

test('a flood of answers leaves timers and signals their turn', async t => {
  const child = spawnNode(t, `
    const Client = require(process.argv[1])
    const server = new Client.Server({ ws: false, stats: false })
    server.listen(0, '127.0.0.1', () => {
      const announce = 'udp://127.0.0.1:' + server.udp.address().port
      const client = new Client({ infoHash: 'a'.repeat(40), peerId: 'b'.repeat(40), port: 1, announce })
      let updates = 0
      client.on('update', () => {
        if (updates++ === 0) setTimeout(() => { console.log(updates); process.exit() })
        // Each answer brings more requests, so the engine has results whenever it is asked.
        for (let i = 0; i < 50; i++) client.update()
      })
      client.start()
    })
  `)
  const updates = Number((await child.ended).stdout)
  // One batch at most: the timer is due a millisecond after the first of it.
  assert.ok(updates > 0 && updates <= 512, `${updates} updates before the timer`)
})

test('threads go when the last client has been destroyed, one that only scraped too', onLinux, async t => {
  const tracker = await FakeUdpTracker.start(t)
  const child = spawnNode(t, `
    const fs = require('fs')
    const Client = require(process.argv[1])
    const threads = () => fs.readdirSync('/proc/self/task').length
    fs.readFile(process.execPath + '/none', () => {
      const before = threads()
      const scrape = done => {
        const client = Client.scrape({ infoHash: 'a'.repeat(40), announce: process.argv[2] }, err => {
          if (err) throw err
          // Who scrapes too late uses nothing.
          client.scrape()
          done()
        })
      }
      // They end on their own time.
      scrape(() => scrape(() => setInterval(() => { if (threads() <= before) process.exit() }, 5)))
    })
  `, { args: [tracker.url], limit: 20_000 })
  await child.ended
})

test('closing and listening again, ten times, leaves no thread behind', onLinux, async t => {
  const child = spawnNode(t, `
    const fs = require('fs')
    const Client = require(process.argv[1])
    const round = () => new Promise(resolve => {
      const server = new Client.Server({ ws: false, stats: false })
      server.listen(0, '127.0.0.1', () => {
        const client = new Client({ infoHash: 'a'.repeat(40), peerId: 'b'.repeat(40), port: 1, announce: 'udp://127.0.0.1:' + server.udp.address().port })
        client.once('update', () => client.destroy(() => server.close(resolve)))
        client.start()
      })
    })
    const threads = () => fs.readdirSync('/proc/self/task').length
    ;(async () => {
      const seen = []
      for (let i = 0; i < 10; i++) { await round(); seen.push(threads()) }
      // They end on their own time, but ten rounds must not add up.
      setInterval(() => { if (threads() <= seen[0]) process.exit() }, 5)
    })()
  `, { limit: 20_000 })
  await child.ended
})

test('four worker threads each run a server and a client, then are ended', async t => {
  const script = `
    const { parentPort, workerData } = require('worker_threads')
    const Client = require(workerData)
    const server = new Client.Server({ ws: false, stats: false })
    server.listen(0, () => {
      const announce = ['http://127.0.0.1:' + server.http.address().port + '/announce', 'udp://127.0.0.1:' + server.udp.address().port]
      const client = new Client({ infoHash: 'a'.repeat(40), peerId: 'b'.repeat(40), port: 6881, announce })
      let updates = 0
      client.on('warning', err => { throw err })
      client.on('update', () => { if (++updates === 2) parentPort.postMessage(Object.keys(server.torrents).length) })
      client.start()
    })
  `
  const run = async () => {
    const worker = new Worker(script, { eval: true, workerData: ROOT })
    t.after(() => worker.terminate())
    const [torrents] = await once(worker, 'message')
    assert.strictEqual(torrents, 1)
    return worker
  }
  const workers = await Promise.all([run(), run(), run(), run()])
  // Terminated with everything open: the addon has to clean up by itself.
  await Promise.all(workers.map(worker => worker.terminate()))
  const again = await run()
  await again.terminate()
})

test('a worker that closes all by itself ends by itself', async t => {
  const worker = new Worker(`
    const { workerData } = require('worker_threads')
    const Client = require(workerData)
    const server = new Client.Server({ ws: false, stats: false })
    server.listen(0, () => {
      const client = new Client({ infoHash: 'a'.repeat(40), peerId: 'b'.repeat(40), port: 6881, announce: 'udp://127.0.0.1:' + server.udp.address().port })
      client.once('update', () => client.destroy(() => server.close()))
      client.start()
    })
  `, { eval: true, workerData: ROOT })
  const [code] = await once(worker, 'exit')
  assert.strictEqual(code, 0)
})

test('the main thread goes on after its workers', async t => {
  const server = await startServer(t)
  const worker = new Worker('require(require(\'worker_threads\').workerData)', { eval: true, workerData: ROOT })
  await once(worker, 'exit')
  const answer = await bencoded(httpPort(server), announcePath({ ...stranger() }))
  assert.strictEqual(answer.get('incomplete'), 1)
  const [err] = await callback(cb => server.close(cb))
  assert.ok(!err)
})

test('a request whose proxy has become none since is not begun, and the process can end', async t => {
  const child = spawnNode(t, `
    const assert = require('assert')
    const proxyOpts = { socksProxy: { proxy: { host: '127.0.0.1', port: 1 } } }
    const Client = require(process.argv[1])
    const client = new Client({ infoHash: 'a'.repeat(40), peerId: 'b'.repeat(40), port: 1, announce: 'udp://127.0.0.1:1', proxyOpts })
    proxyOpts.socksProxy.proxy.port = 0
    assert.throws(() => client.start(), { code: 'ERR_TRACKER_INVALID_OPTION' })
    console.log('thrown')
  `)
  const { code, stdout, stderr } = await child.ended
  assert.deepStrictEqual([code, stdout, stderr], [0, 'thrown\n', ''])
})

test('a tracker over TLS gets the certificates of Node however its URL is spelled', async t => {
  const codes = ['https', 'HTTPS'].map(async scheme => {
    // A process each: whoever is first gives them to the engine for all.
    const child = spawnNode(t, `
      const net = require('net')
      const server = net.createServer(socket => socket.destroy()).listen(0, '127.0.0.1', () => {
        const announce = '${scheme}://127.0.0.1:' + server.address().port + '/announce'
        const client = new (require(process.argv[1]))({ infoHash: 'a'.repeat(40), peerId: 'b'.repeat(40), port: 1, announce })
        client.on('warning', err => {
          console.log(err.code)
          client.destroy()
          server.close()
        })
        client.start()
      })
    `)
    return (await child.ended).stdout
  })
  const [usual, capitals] = await Promise.all(codes)
  assert.notStrictEqual(usual, 'ERR_TRACKER_TLS_ROOTS\n')
  assert.match(usual, /^ERR_TRACKER_\w+\n$/)
  assert.strictEqual(capitals, usual)
})
