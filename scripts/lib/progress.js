'use strict'

// What the test runner prints: a line when a step starts and one when it ends, failures in between as
// they happen. On a terminal a last line shows what the step is at; in a log it appears twice a minute.

const HEARTBEAT_MS = 30_000
const REDRAW_MS = 100

class Progress {
  #out = process.stdout
  #started = Date.now()
  #status = ''
  #drawn = false
  #timer

  constructor () {
    this.#timer = setInterval(() => this.#tick(), this.#out.isTTY ? REDRAW_MS : HEARTBEAT_MS)
    this.#timer.unref()
  }

  start (name) {
    this.#status = name
    this.print(`${this.#clock()}  ▸ ${name}`)
  }

  /** What the running step is at. */
  status (text) {
    this.#status = text.trim()
  }

  end (name, ms, { passed, failed, skipped, details }) {
    this.#status = ''
    if (details) this.print(details)
    const counts = [
      passed && `${passed} passed`, failed && `${failed} failed`, skipped.length && `${skipped.length} skipped`
    ].filter(Boolean).join(', ')
    this.print(`${this.#clock()}  ${failed ? '✖' : '✔'} ${name}: ${counts} in ${(ms / 1000).toFixed(1)} s`)
  }

  print (text) {
    if (this.#drawn) this.#out.write('\r\x1b[K')
    this.#drawn = false
    this.#out.write(text + '\n')
  }

  stop () {
    clearInterval(this.#timer)
    if (this.#drawn) this.#out.write('\r\x1b[K')
    this.#drawn = false
  }

  #tick () {
    if (!this.#status) return
    const line = `${this.#clock()}  … ${this.#status}`
    if (this.#out.isTTY) {
      this.#out.write('\r\x1b[K' + line.slice(0, this.#out.columns - 1))
      this.#drawn = true
    } else {
      this.#out.write(line + '\n')
    }
  }

  /** Minutes and seconds since the start. */
  #clock () {
    const seconds = Math.floor((Date.now() - this.#started) / 1000)
    return `${String(Math.floor(seconds / 60)).padStart(2)}:${String(seconds % 60).padStart(2, '0')}`
  }
}

module.exports = { Progress }
