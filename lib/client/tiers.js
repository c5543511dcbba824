'use strict'

/**
 * The trackers of a multi-tracker torrent in the order of BEP 12: all of a tier are tried before the
 * next one, each tier is shuffled once, and one that answers moves to the front of its tier.
 */
class Tiers {
  #tiers
  #waiting = []
  #busy = false

  constructor (tiers) {
    this.#tiers = tiers.map(shuffle)
  }

  /** Where announces go at the moment. */
  get first () {
    return this.#tiers[0]?.[0]
  }

  /**
   * Announces to one tracker: the first that answers. Announces take turns, but for `stopped`, which
   * has to leave before the client is destroyed.
   */
  announce (opts) {
    if (opts.event === 'stopped') return this.#try(this.#tiers.flat(), opts, () => {})
    this.#waiting.push(opts)
    if (!this.#busy) this.#next()
  }

  #next () {
    const opts = this.#waiting.shift()
    this.#busy = opts !== undefined
    if (this.#busy) this.#try(this.#tiers.flat(), opts, () => this.#next())
  }

  #try (trackers, opts, done) {
    const [tracker, ...rest] = trackers
    if (tracker === undefined || tracker.destroyed) return done()
    tracker.announce(opts, err => {
      if (err !== undefined) return this.#try(rest, opts, done)
      this.#succeeded(tracker)
      done()
    })
  }

  #succeeded (tracker) {
    const tier = this.#tiers.find(tier => tier.includes(tracker))
    tier.splice(tier.indexOf(tracker), 1)
    tier.unshift(tracker)
    this.#leaveTimerTo(tracker)
  }

  // One timer for all: whichever fires starts at the first tier again.
  #leaveTimerTo (tracker) {
    for (const other of this.#tiers.flat()) {
      if (other === tracker) continue
      if (tracker.interval === null && other.interval !== null) tracker.setInterval()
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
