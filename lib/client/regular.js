'use strict'

// When trackers announce again. A program may have ten thousand of them, nearly all with one interval: a timer for each is
// made anew with every answer, in a microsecond or two, and takes a quarter of a kilobyte. Here all with the same interval
// stand in a line, in the order in which they are due, with one timer for the first.

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

/** What announces regularly: `_announceRegularly` is called every so often. Keeps no process alive. */
class Regular {
  #line = null
  #due = 0
  #before = null
  #after = null
  #handle = null

  /** The timer, as programs know it; `null` if there is none. */
  get interval () {
    if (this.#line === null) return null
    this.#handle ??= new Handle(this, this.#line.ms)
    return this.#handle
  }

  /** Whether it announces regularly. */
  get _isRegular () {
    return this.#line !== null
  }

  /** Every so many milliseconds from now on, or never. */
  _setRegular (ms) {
    this.#leave()
    if (this.#handle !== null) this.#handle._destroyed = true
    this.#handle = null
    if (!ms) return
    if (!(ms >= 1)) ms = 1
    this.#enter(Math.min(ms, MAX_TIMER_MS), performance.now())
  }

  #enter (ms, now) {
    let line = lines.get(ms)
    if (line === undefined) lines.set(ms, line = new Line(ms))
    this.#line = line
    this.#due = now + ms
    this.#before = line.last
    if (line.last === null) line.first = this
    else line.last.#after = this
    line.last = this
    if (line.timer === null) Regular.#arm(line, ms)
  }

  #leave () {
    const line = this.#line
    if (line === null) return
    if (this.#before === null) line.first = this.#after
    else this.#before.#after = this.#after
    if (this.#after === null) line.last = this.#before
    else this.#after.#before = this.#before
    this.#line = this.#before = this.#after = null
    if (line.awaited === this) line.awaited = null
    if (line.first !== null) return
    clearTimeout(line.timer)
    lines.delete(line.ms)
  }

  static #arm (line, ms) {
    line.awaited = line.first
    line.timer = setTimeout(Regular.#fire, ms, line)
    line.timer.unref()
  }

  static #fire (line) {
    const now = performance.now()
    // A timer may be early by what the clock is finer than its milliseconds. Whom it was set for is due in any
    // case, for a program may have put a clock of its own in the place of one of the two.
    while (line.first !== null && (line.first === line.awaited || line.first.#due < now + 1)) {
      const regular = line.first
      line.awaited = null
      regular.#leave()
      regular.#enter(line.ms, now)
      try {
        regular._announceRegularly()
      } catch (err) {
        // A program's. It surfaces as in any timer, and the others still announce.
        surface(err)
      }
    }
    if (line.first !== null) Regular.#arm(line, Math.max(1, line.first.#due - performance.now()))
  }
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
