'use strict'

// Ports for programs that cannot tell which one the kernel gave them, and whether they answer there.

const dgram = require('node:dgram')
const { once } = require('node:events')
const net = require('node:net')
const { setTimeout: delay } = require('node:timers/promises')

const RETRY_MS = 20

/** A port on 127.0.0.1 that is free now. */
async function freeUdpPort () {
  const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

async function freeTcpPort () {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return port
}

/** Resolves when something answers a connect request (BEP 15), which it is asked for again and again. */
async function answersUdp (port) {
  const request = Buffer.from('00000417271019800000000000000000', 'hex')
  const socket = dgram.createSocket('udp4')
  // Nobody listens there yet.
  socket.on('error', () => {})
  const timer = setInterval(() => socket.send(request, port, '127.0.0.1'), RETRY_MS)
  await once(socket, 'message')
  clearInterval(timer)
  socket.close()
}

/** Resolves when something accepts a connection. */
async function answersTcp (port) {
  while (!await accepts(port)) await delay(RETRY_MS)
}

function accepts (port) {
  return new Promise(resolve => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

module.exports = { freeUdpPort, freeTcpPort, answersUdp, answersTcp }
