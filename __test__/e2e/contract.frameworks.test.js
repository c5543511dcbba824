'use strict'

// A tracker within web frameworks, which are installed at the first run.

const assert = require('node:assert')
const http = require('node:http')
const { createRequire } = require('node:module')
const path = require('node:path')
const { createServer } = require('../helpers/contract-subject')
const { callback } = require('../helpers/events')
const { announcePath, bencoded, request, scrapePath } = require('../helpers/http')
const { installPackages } = require('../helpers/npm-packages')
const { binary } = require('../helpers/websocket-peer')
const { test } = require('../helpers/test')

const VERSIONS = { express: '^5.1.0', koa: '^3.0.0', fastify: '^5.0.0' }

/** Makes an HTTP server with `/announce`, `/scrape` and a page of its own at `/hello`. */
const FRAMEWORKS = {
  express ({ express }, tracker) {
    const app = express()
    const onHttpRequest = tracker.onHttpRequest.bind(tracker)
    app.get('/hello', (req, res) => res.send('hello'))
    // With `next` as the third argument.
    app.get('/announce', onHttpRequest)
    app.get('/scrape', onHttpRequest)
    app.get('/:passkey/announce', (req, res) => onHttpRequest(req, res, { action: 'announce', trustProxy: true }))
    return http.createServer(app)
  },

  koa ({ koa: Koa }, tracker) {
    const app = new Koa()
    app.use(async ctx => {
      if (ctx.path === '/hello') {
        ctx.body = 'hello'
        return
      }
      ctx.respond = false
      const action = ctx.path.endsWith('/announce') ? 'announce' : 'scrape'
      tracker.onHttpRequest(ctx.req, ctx.res, { action, trustProxy: ctx.path.startsWith('/s3cret') })
    })
    return http.createServer(app.callback())
  },

  async fastify ({ fastify }, tracker) {
    const app = fastify()
    app.get('/hello', async () => 'hello')
    const mount = opts => (req, reply) => {
      reply.hijack()
      tracker.onHttpRequest(req.raw, reply.raw, opts)
    }
    app.get('/announce', mount())
    app.get('/scrape', mount())
    app.get('/:passkey/announce', mount({ action: 'announce', trustProxy: true }))
    await app.ready()
    return app.server
  }
}

async function start (t, name) {
  const folder = await installPackages('web-frameworks', { dependencies: VERSIONS })
  const tracker = await createServer(t, { http: false, udp: false, ws: false, stats: false })
  const requireFrom = createRequire(path.join(folder, 'package.json'))
  const server = await FRAMEWORKS[name]({ get [name] () { return requireFrom(name) } }, tracker)
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    return callback(cb => server.close(cb))
  })
  return { tracker, port: server.address().port }
}

// No byte of them is changed by the original's encoding of keys.
const infoHash = '41'.repeat(20)
const peer = { infoHash, peerId: '42'.repeat(20), event: 'started' }

for (const name of Object.keys(FRAMEWORKS)) {
  test(`a tracker within ${name}`, async t => {
    const { tracker, port } = await start(t, name)
    const started = callback(cb => tracker.once('start', cb))
    assert.strictEqual((await bencoded(port, announcePath(peer))).get('incomplete'), 1)
    assert.strictEqual((await started)[0], '127.0.0.1:6881')
    const files = (await bencoded(port, scrapePath(infoHash))).get('files')
    assert.strictEqual(files.get(binary(infoHash)).get('incomplete'), 1)
    assert.strictEqual((await request(port, '/hello')).body.toString(), 'hello')

    const proxied = callback(cb => tracker.once('start', cb))
    const headers = { 'x-forwarded-for': '203.0.113.7, 10.0.0.1' }
    assert.strictEqual((await bencoded(port, announcePath(peer, '/s3cret/announce'), { headers })).get('incomplete'), 2)
    assert.strictEqual((await proxied)[0], '203.0.113.7:6881')

    tracker.on('warning', () => {})
    const refused = await bencoded(port, announcePath({ ...peer, port: 0 }))
    assert.strictEqual(refused.get('failure reason').toString(), 'invalid port')
  })
}
