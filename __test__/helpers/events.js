'use strict'

/** Resolves with the arguments of the next `name`; a `warning` or `error` that nobody expects rejects. */
function next (emitter, name) {
  return new Promise((resolve, reject) => {
    const failures = ['warning', 'error'].filter(failure => failure !== name)
    const done = () => {
      emitter.removeListener(name, onEvent)
      for (const failure of failures) emitter.removeListener(failure, onFailure)
    }
    const onEvent = (...args) => { done(); resolve(args) }
    const onFailure = err => { done(); reject(err) }
    emitter.on(name, onEvent)
    for (const failure of failures) emitter.on(failure, onFailure)
  })
}

/** Like `next`, for the first argument alone. */
const nextValue = async (emitter, name) => (await next(emitter, name))[0]

/** Records events in their order; `until` waits for a state of the record instead of a time. */
class Recorder {
  constructor (emitter, names) {
    this.log = []
    this.waiting = new Set()
    for (const name of names) {
      emitter.on(name, (...args) => {
        this.log.push({ name, args })
        for (const check of this.waiting) check()
      })
    }
  }

  get names () {
    return this.log.map(entry => entry.name)
  }

  of (name) {
    return this.log.filter(entry => entry.name === name).map(entry => entry.args)
  }

  until (predicate) {
    return new Promise(resolve => {
      const check = () => {
        if (!predicate(this)) return
        this.waiting.delete(check)
        resolve(this)
      }
      this.waiting.add(check)
      check()
    })
  }

  count (name, n) {
    return this.until(() => this.of(name).length >= n)
  }
}

const record = (emitter, ...names) => new Recorder(emitter, names)

/** Calls `fn(cb)` and resolves with the callback's arguments, the error among them. */
const callback = fn => new Promise(resolve => fn((...args) => resolve(args)))

module.exports = { Recorder, callback, next, nextValue, record }
