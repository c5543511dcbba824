'use strict'

// When trackers announce again. A program may have ten thousand of them, nearly all with one interval: a timer for
// each is made anew with every answer, in a microsecond or two, and takes a quarter of a kilobyte. Here all with the
// same interval stand in a line, in the order in which they are due, with one timer for the first.

const EventEmitter = require('node:events')

const { surface } = require('../emit')

/** Longer and a timer fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** By the interval, in milliseconds. */
const lines = new Map()

class Line {
  constructor (ms) {
    this.ms = ms
    this.first = null
    this.last = null
    this.timer = null
    /** Who was the first when the timer was set. */
    this.awaited = null
  }
}

/**
 * What announces regularly: `_announceRegularly` is called every so often. Keeps no process alive.
 *
 * Its properties have plain names: private ones are found in twice the time until the compiler has got to them, and
 * of ten thousand announces most are over by then.
 */
class Regular {
  constructor () {
    this._line = null
    /** A whole number of milliseconds, which needs no memory of its own. */
    this._due = 0
    this._before = null
    this._after = null
    this._handle = null
  }

  /** The timer, as programs know it; `null` if there is none. */
  get interval () {
    if (this._line === null) return null
    this._handle ??= new Handle(this, this._line.ms)
    return this._handle
  }

  /** Every so many milliseconds from now on, or never. */
  _setRegular (ms) {
    if (this._line !== null) leave(this)
    if (this._handle !== null) {
      this._handle._destroyed = true
      this._handle = null
    }
    if (ms) enter(this, ms >= 1 ? Math.min(ms, MAX_TIMER_MS) : 1, now())
  }
}

function enter (regular, ms, now) {
  let line = lines.get(ms)
  if (line === undefined) lines.set(ms, line = new Line(ms))
  const { last } = line
  regular._line = line
  regular._due = now + Math.ceil(ms)
  regular._before = last
  if (last === null) line.first = regular
  else last._after = regular
  line.last = regular
  if (line.timer === null) arm(line, ms)
}

function leave (regular) {
  const { _line: line, _before: before, _after: after } = regular
  if (before === null) line.first = after
  else before._after = after
  if (after === null) line.last = before
  else after._before = before
  regular._line = null
  regular._before = null
  regular._after = null
  if (line.awaited === regular) line.awaited = null
  if (line.first !== null) return
  clearTimeout(line.timer)
  lines.delete(line.ms)
}

function arm (line, ms) {
  line.awaited = line.first
  line.timer = setTimeout(fire, ms, line)
  line.timer.unref()
}

function fire (line) {
  const time = now()
  // Whom the timer was set for is due in any case: a program may have put a clock of its own in the place of one of
  // the two.
  while (line.first !== null && (line.first === line.awaited || line.first._due <= time)) {
    const regular = line.first
    leave(regular)
    enter(regular, line.ms, time)
    try {
      regular._announceRegularly()
    } catch (err) {
      // A program's. It surfaces as in any timer, and the others still announce.
      surface(err)
    }
  }
  if (line.first !== null) arm(line, Math.max(1, line.first._due - now()))
}

function now () {
  return Math.trunc(performance.now())
}

/** Stands for the timer that others have; `clearInterval` ends it, too. */
class Handle {
  #regular

  constructor (regular, ms) {
    this.#regular = regular
    this._idleTimeout = ms
    this._destroyed = false
  }

  hasRef () {
    return false
  }

  ref () {
    return this
  }

  unref () {
    return this
  }

  close () {
    if (!this._destroyed) this.#regular._setRegular(0)
    return this
  }

  get _onTimeout () {
    return this._destroyed ? null : () => this.#regular._announceRegularly()
  }

  /** What `clearInterval` does. */
  set _onTimeout (value) {
    if (value === null) this.close()
  }
}

// An emitter, as programs expect it, whose constructor is not called: nearly no tracker is ever listened to, and
// the methods do what is missing.
Object.setPrototypeOf(Regular.prototype, EventEmitter.prototype)

module.exports = Regular
