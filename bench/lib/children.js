'use strict'

// Child processes that run beside this one. None is left behind, however this one ends.

const { spawn } = require('node:child_process')

const running = new Set()

/**
 * Starts a program. `child.ended` resolves to one line on how it ended, with the end of its standard
 * error; it never rejects. After `limit` ms it is killed.
 */
function start (command, args, { limit, ...options }) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
  running.add(child)
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', text => { errors = (errors + text).slice(-4000) })
  const timer = limit && setTimeout(() => {
    errors += `ended after ${limit / 1000} s`
    child.kill('SIGKILL')
  }, limit)
  child.ended = new Promise(resolve => {
    const onEnd = how => {
      clearTimeout(timer)
      running.delete(child)
      resolve(errors ? `${how}: ${errors.trim()}` : how)
    }
    child.on('error', error => onEnd(error.message))
    child.on('close', (code, signal) => onEnd(signal ? `ended by ${signal}` : `ended with code ${code}`))
  })
  return child
}

// Signals come here too: their handler in scripts/lib/process.js exits.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

module.exports = { start }
