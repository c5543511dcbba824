'use strict'

const crypto = require('node:crypto')

/** An offer that nobody has answered is given up after this time, in milliseconds. */
const OFFER_LIFE = 50 * 1000

/** Unanswered offers on this thread: each holds a peer connection, with sockets and threads of its own. */
const MAX_PENDING = 500

let pending = 0

/**
 * The peers of one tracker that wait for an answer.
 */
class Offers {
  /** By the offer's id, hexadecimal. */
  peers = Object.create(null)

  /** How many of `wanted` offers can be made now. */
  static room (wanted) {
    return Math.max(0, Math.min(wanted, MAX_PENDING - pending))
  }

  /**
   * Adds a peer that makes an offer.
   *
   * @returns {string} the offer's id, a character per byte
   */
  add (peer) {
    const id = crypto.randomBytes(20)
    const key = id.hexSlice()
    this.peers[key] = peer
    pending += 1
    peer.trackerTimeout = setTimeout(() => this.#remove(key)?.destroy(), OFFER_LIFE)
    peer.trackerTimeout.unref()
    peer.once('close', () => {
      if (this.peers[key] === peer) this.#remove(key)
    })
    return id.latin1Slice()
  }

  /** The peer whose offer is answered; an offer is answered once. */
  take (offerId) {
    if (typeof offerId !== 'string' || offerId.length !== 20) return undefined
    return this.#remove(Buffer.from(offerId, 'latin1').hexSlice())
  }

  /** Ends them all: nobody will answer any more. */
  clear () {
    for (const key of Object.keys(this.peers)) this.#remove(key).destroy()
  }

  #remove (key) {
    const peer = this.peers[key]
    if (peer === undefined) return undefined
    delete this.peers[key]
    pending -= 1
    clearTimeout(peer.trackerTimeout)
    peer.trackerTimeout = null
    return peer
  }
}

module.exports = Offers
