'use strict'

const fs = require('node:fs')
const net = require('node:net')
const path = require('node:path')
const { once } = require('node:events')
const { start, tempDir } = require('./processes')
const { freePort, until } = require('./ports')

/** A dante-server on the loopback interface that serves everybody there, with UDP. */
async function startDante (t) {
  const port = await freePort()
  const config = path.join(tempDir(t, 'dante'), 'danted.conf')
  fs.writeFileSync(config, `
logoutput: stdout
internal: 127.0.0.1 port = ${port}
external: 127.0.0.1
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 command: connect udpassociate }
socks pass { from: 0.0.0.0/0 to: 127.0.0.0/8 command: udpreply }
`)
  // Its helpers are in its group, and outlive it if it is killed alone.
  const group = {}
  t.after(() => endGroup(group.pid))
  const child = start(t, 'danted', ['-f', config], { detached: true })
  group.pid = child.pid
  await until(child, async () => {
    const socket = net.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.destroy()
    return true
  })
  return { child, url: `socks5://127.0.0.1:${port}`, port }
}

function endGroup (pid) {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch (err) {
    if (err.code !== 'ESRCH') throw err
  }
}

module.exports = { startDante }
