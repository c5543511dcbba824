'use strict'

/**
 * The trackers of a multi-tracker torrent in the order of BEP 12: all of a tier are tried before the
 * next one, each tier is shuffled once, and one that answers moves to the front of its tier.
 */
class Tiers {
  #tiers
  #waiting = []
  #busy = false
  #stops = 0
  // Those that may have us among their peers.
  #told = new Set()
  // The one that answered last.
  #current

  constructor (tiers) {
    this.#tiers = tiers.map(shuffle)
  }

  /** As a tracker's `setInterval`: there is one timer for all. */
  setInterval (intervalMs) {
    const all = this.#tiers.flat()
    for (const tracker of all) tracker.setInterval(0)
    const holder = this.#current ?? all[0]
    holder?.setInterval(intervalMs)
  }

  /**
   * Announces to one tracker: the first that answers. Announces take turns, but for `stopped`, which
   * has to leave before the client is destroyed.
   */
  announce (opts) {
    if (opts.event === 'stopped') return this.#stop(opts)
    this.#waiting.push(opts)
    if (!this.#busy) this.#next()
  }

  // Whoever has us hears of it at once: a first tier that fails now would use up the time that a
  // client has at its end. What waits for its turn would bring us back.
  #stop (opts) {
    this.#stops += 1
    this.#waiting = []
    const told = [...this.#told]
    this.#told.clear()
    if (told.length === 0) return this.#try(this.#tiers.flat(), opts, () => {})
    for (const tracker of told) tracker.announce(opts)
  }

  #next () {
    const opts = this.#waiting.shift()
    this.#busy = opts !== undefined
    if (this.#busy) this.#try(this.#tiers.flat(), opts, () => this.#next())
  }

  #try (trackers, opts, done) {
    const [tracker, ...rest] = trackers
    if (tracker === undefined || tracker.destroyed) return done()
    const stops = this.#stops
    if (opts.event !== 'stopped') this.#told.add(tracker)
    tracker.announce(opts, err => {
      if (err === undefined) {
        this.#succeeded(tracker)
        return done()
      }
      // After a stop, what came before it goes no further, and what came after it counts.
      if (stops !== this.#stops) return done()
      this.#told.delete(tracker)
      this.#try(rest, opts, done)
    })
  }

  #succeeded (tracker) {
    this.#current = tracker
    const tier = this.#tiers.find(tier => tier.includes(tracker))
    tier.splice(tier.indexOf(tracker), 1)
    tier.unshift(tracker)
    this.#leaveTimerTo(tracker)
  }

  // One timer for all: whichever fires starts at the first tier again.
  #leaveTimerTo (tracker) {
    for (const other of this.#tiers.flat()) {
      if (other === tracker) continue
      if (!tracker._isRegular && other._isRegular) tracker.setInterval()
      other.setInterval(0)
    }
  }
}

function shuffle (list) {
  const shuffled = [...list]
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j], shuffled[i]]
  }
  return shuffled
}

module.exports = Tiers
