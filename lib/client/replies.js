'use strict'

/** Requests whose replies are awaited; of a tracker that never answers the oldest are forgotten. */
const MAX_AWAITED = 64

/**
 * Who waits for replies of one kind on a WebSocket. A request and its reply have nothing in common but
 * their order.
 */
class Replies {
  #awaited = []
  #closed = false
  #onTimeout

  /**
   * @param {(what: string) => Error} onTimeout tells of a reply that did not come, and returns the error
   */
  constructor (onTimeout) {
    this.#onTimeout = onTimeout
  }

  /**
   * Somebody waits from now on; the returned `finish(err)` ends it without a reply.
   *
   * @param {((err?: Error) => void) | undefined} done called once
   * @param {string} what names the request in the error
   */
  expect (done, what, timeoutMs) {
    let timer = null
    const reply = {
      what,
      finish: err => {
        clearTimeout(timer)
        const call = done
        done = undefined
        if (!this.#closed) call?.(err)
      }
    }
    if (done === undefined) return reply
    timer = setTimeout(() => {
      const at = this.#awaited.indexOf(reply)
      if (at >= 0) this.#awaited.splice(at, 1)
      if (!this.#closed) reply.finish(this.#onTimeout(what))
    }, timeoutMs)
    timer.unref()
    return reply
  }

  /** The request is on its way. */
  sent (reply) {
    if (this.#awaited.length >= MAX_AWAITED) {
      const oldest = this.#awaited.shift()
      oldest.finish(this.#onTimeout(oldest.what))
    }
    this.#awaited.push(reply)
  }

  /** The reply to the oldest request has come. */
  received (err) {
    this.#awaited.shift()?.finish(err)
  }

  /** None of the replies will come; returns a function that tells all who waited. */
  takeAll () {
    const replies = this.#awaited.splice(0)
    return err => { for (const reply of replies) reply.finish(err) }
  }

  /** Nobody wants to know any more. */
  close () {
    this.#closed = true
    this.takeAll()()
  }
}

module.exports = Replies
