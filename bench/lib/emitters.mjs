// What a client cannot be without: an emitter with the ids that a program gave it, that emits one `update`. It has no
// trackers, announces nothing, and is what the clients' figures are held against as servers' are against floors.

import { EventEmitter } from 'node:events'

export class Client extends EventEmitter {
  constructor ({ infoHash, peerId }) {
    super()
    this.infoHash = infoHash.toString('hex')
    this.peerId = peerId.toString('hex')
  }

  start () {
    if (started.push(this) === 1) setImmediate(emitAll)
  }
}

const started = []

function emitAll () {
  for (const client of started.splice(0)) client.emit('update', { announce: '', complete: 1, incomplete: 0 })
}
