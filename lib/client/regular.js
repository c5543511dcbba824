'use strict'

// When trackers announce again. A program may have ten thousand of them, nearly all with one interval: a timer for
// each is made anew with every answer, in a microsecond or two, and takes a quarter of a kilobyte. Here all with the
// same interval stand in a line, in the order in which they are due, with one timer for the first.

const { AsyncResource } = require('node:async_hooks')
const EventEmitter = require('node:events')

const { surface } = require('../emit')
const { hold } = require('../keep-alive')

/** Longer and a timer fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** By the interval, in milliseconds. */
const lines = new Map()

/** Places that may be empty before those behind them move up. */
const MAX_EMPTY = 256

class Line {
  constructor (ms) {
    this.ms = ms
    /** In the order in which they are due; `null` in the place of one who has left. */
    this.places = []
    /** The first place that may be taken. */
    this.first = 0
    this.count = 0
    this.timer = null
    /** Who was the first when the timer was set. */
    this.awaited = null
  }
}

/**
 * What announces regularly: `_announceRegularly` is called every so often. Keeps no process alive.
 *
 * Its properties have plain names: private ones are slow to find until the compiler has got to them, and of ten
 * thousand announces most are over by then.
 */
class Regular {
  constructor () {
    this._line = null
    /** A whole number of milliseconds, which needs no memory of its own. */
    this._due = 0
    this._place = 0
  }

  /** The timer, as programs know it; `null` if there is none. */
  get interval () {
    if (this._line === null) return null
    this._handle ??= new Handle(this, this._line.ms)
    return this._handle
  }

  /** A program that has cleared the timer says so; or it has one of its own. */
  set interval (value) {
    this._setRegular(0)
    if (value == null) return
    Object.defineProperty(this, 'interval', { value, writable: true, enumerable: true, configurable: true })
  }

  /** Every so many milliseconds from now on, or never. */
  _setRegular (ms) {
    if (this._line !== null) leave(this)
    if (this._handle !== null) {
      this._handle._end()
      this._handle = null
    }
    if (ms) enter(this, ms >= 1 ? Math.min(ms, MAX_TIMER_MS) : 1, now())
  }
}

function enter (regular, ms, now) {
  const line = lines.get(ms) ?? openLine(ms)
  regular._line = line
  regular._due = now + Math.ceil(ms)
  regular._place = line.places.push(regular) - 1
  line.count += 1
  if (line.places.length > 2 * line.count + MAX_EMPTY) closeUp(line)
  if (line.timer === null) arm(line, ms)
}

function leave (regular) {
  const line = regular._line
  regular._line = null
  line.places[regular._place] = null
  line.count -= 1
  if (line.awaited === regular) line.awaited = null
  if (line.count === 0) closeLine(line)
}

function openLine (ms) {
  const line = new Line(ms)
  lines.set(ms, line)
  return line
}

function closeLine (line) {
  clearTimeout(line.timer)
  lines.delete(line.ms)
}

/** Whoever stands behind empty places moves up. */
function closeUp (line) {
  line.places = line.places.filter(regular => regular !== null)
  line.places.forEach((regular, place) => { regular._place = place })
  line.first = 0
}

/** The first who is due; there has to be somebody. */
function first (line) {
  while (line.places[line.first] === null) line.first += 1
  return line.places[line.first]
}

function arm (line, ms) {
  line.awaited = first(line)
  line.timer = nobody.runInAsyncScope(setTimeout, null, fire, ms, line)
  line.timer.unref()
}

/** Whoever set the first interval of a line is not the one for whom all the others announce. */
const nobody = new AsyncResource('bittorrent-tracker')

function fire (line) {
  // Whom the timer was set for is due by now, and whoever was due with it: a program may have put a clock of its own
  // in the place of the timers', and none in the place of ours.
  const turn = Math.max(now(), line.awaited?._due ?? -Infinity)
  while (line.count > 0) {
    const regular = first(line)
    if (regular._due > turn) {
      // At most one interval away, should a program have put back the clock.
      const ms = Math.max(1, regular._due - Math.max(now(), turn))
      return arm(line, Math.min(ms, Math.ceil(line.ms)))
    }
    leave(regular)
    enter(regular, line.ms, turn)
    try {
      regular._announceRegularly()
    } catch (err) {
      // A program's. It surfaces as in any timer, and the others still announce.
      surface(err)
    }
  }
}

/**
 * The time in milliseconds, as of this turn of the program: Node's timers are set by no other. `performance` would have
 * Node load a dozen modules in the midst of the first announces.
 */
function now () {
  if (time === 0) {
    const clock = process.hrtime()
    // In one piece: a sum of truncated parts would be an object for each tracker, see `_due`.
    time = Math.trunc((clock[0] - ORIGIN_S) * 1000 + clock[1] / 1e6)
    queueMicrotask(forgetTime)
  }
  return time
}

/** So that times are small numbers for the first weeks, however long the machine has been up; none is 0. */
const ORIGIN_S = process.hrtime()[0] - 1

let time = 0

function forgetTime () {
  time = 0
}

/** Stands for the timer that others have; `clearInterval` ends it, too. */
class Handle {
  #regular
  #release = null

  constructor (regular, ms) {
    this.#regular = regular
    this._idleTimeout = ms
    this._destroyed = false
  }

  hasRef () {
    return this.#release !== null
  }

  ref () {
    if (!this._destroyed) this.#release ??= hold()
    return this
  }

  unref () {
    this.#release?.()
    this.#release = null
    return this
  }

  refresh () {
    if (this._destroyed) return this
    leave(this.#regular)
    enter(this.#regular, this._idleTimeout, now())
    return this
  }

  close () {
    if (!this._destroyed) this.#regular._setRegular(0)
    return this
  }

  _end () {
    this._destroyed = true
    this.unref()
  }

  get _onTimeout () {
    return this._destroyed ? null : () => this.#regular._announceRegularly()
  }

  /** What `clearInterval` does. */
  set _onTimeout (value) {
    if (value === null) this.close()
  }
}

/** Made when it is asked for. */
Regular.prototype._handle = null

// An emitter, as programs expect it, whose constructor is not called: nearly no tracker is ever listened to, and
// the methods do what is missing.
Object.setPrototypeOf(Regular.prototype, EventEmitter.prototype)

module.exports = Regular
