'use strict'

// What a server says with `DEBUG=bittorrent-tracker:*`.

const assert = require('node:assert')
const { spawnNode } = require('./helpers/processes')
const { test } = require('./helpers/test')

/** A server over HTTP that gets one announce, an ordinary one or with a class of swarms of its own. */
const SCRIPT = `
  const { Server } = require(process.argv[1])
  if (process.argv[2] === 'replaced') Server.Swarm = class extends Server.Swarm {}
  const server = new Server({ udp: false, ws: false })
  server.on('start', () => server.close())
  server.listen(0, '127.0.0.1', () => {
    const ids = 'info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=bbbbbbbbbbbbbbbbbbbb'
    fetch('http://127.0.0.1:' + server.http.address().port + '/announce?' + ids + '&port=6881&event=started')
  })
`

async function said (t, DEBUG, ...args) {
  const { code, stderr } = await spawnNode(t, SCRIPT, { args, env: { ...process.env, DEBUG } }).ended
  assert.strictEqual(code, 0, stderr)
  return stderr.split('\n').filter(Boolean).map(line => /^\S+ bittorrent-tracker:(\S+) (.*)$/.exec(line)?.slice(1) ?? [line])
}

test('the namespace of servers tells when one is made, listens and closes', async t => {
  const lines = await said(t, 'bittorrent-tracker:server')
  assert.ok(lines.every(([name]) => name === 'server'), JSON.stringify(lines))
  const texts = lines.map(([, text]) => text)
  assert.strictEqual(texts.length, 3, texts.join('\n'))
  assert.match(texts[0], /^new server: \{ http: true, udp: false, ws: false \}$/)
  assert.match(texts[1], /^listening: \{.*127\.0\.0\.1/)
  assert.strictEqual(texts[2], 'close')
})

test('the namespace of swarms tells of announces that JavaScript answers', async t => {
  const lines = await said(t, 'bittorrent-tracker:swarm', 'replaced')
  assert.strictEqual(lines.length, 1, JSON.stringify(lines))
  const [name, text] = lines[0]
  assert.strictEqual(name, 'swarm')
  assert.match(text, new RegExp(`^announce \\{.*'started'.*'${'61'.repeat(20)}'.*'127\\.0\\.0\\.1:6881'`))
})
