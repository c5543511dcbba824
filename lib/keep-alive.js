'use strict'

// The engine's threads and its weak callbacks keep no process alive. What must (a listening
// server, an announce in flight) takes a hold here: one handle for this thread, counted.

const FOREVER_MS = 2 ** 31 - 1

let holds = 0
let handle = null

/**
 * Keeps the process alive until the returned function is called; more calls of it do nothing.
 */
exports.hold = function hold () {
  holds += 1
  if (handle === null) handle = setInterval(noop, FOREVER_MS)
  let held = true
  return function release () {
    if (!held) return
    held = false
    holds -= 1
    if (holds > 0) return
    clearInterval(handle)
    handle = null
  }
}

function noop () {}
