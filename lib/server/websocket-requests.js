'use strict'

const { ACTIONS, emitAnnounce, emitRefused } = require('./requests')

/**
 * Answers a message that the engine has read, by way of `_onRequest`.
 *
 * The engine passes offers and answers on, since it knows which socket was given which offer; sockets
 * that it does not know, of peers out of a program's own store, get them from here.
 */
exports.answerWebSocket = function answerWebSocket (server, question, params) {
  const { native } = server._engine
  server._onRequest(params, (err, response) => {
    // What the engine has for a socket of the program's comes by a bell that keeps no program running.
    if (server._engine.isExternal(params.socket)) server._drainSoon()
    if (err) {
      native.refuse(question, String(err.message ?? 'refused'))
      emitRefused(server, err)
      return
    }
    if (params.action === ACTIONS.SCRAPE) {
      const { files, flags } = response
      return native.reply(question, { text: JSON.stringify({ action: 'scrape', files, flags }) })
    }
    const { peers = [], action, interval, ...rest } = response
    const infoHash = Buffer.from(params.info_hash, 'hex').latin1Slice()
    server._engine.joined(params)
    const offersTo = passOffersOn(server, params, peers, infoHash)
    native.reply(question, {
      text: params.answer
        ? undefined
        : JSON.stringify({
            ...rest, action: 'announce', interval: native.webSocketInterval(), info_hash: infoHash
          }),
      offersTo,
      passOn: true
    })
    emitAnnounce(server, params, params.peer_id)
  })
}

/** The `params` of a scrape. */
exports.scrapeParams = function scrapeParams (message, socket) {
  const { info_hash: infoHash } = JSON.parse(message)
  const list = [].concat(infoHash ?? []).map(text => Buffer.from(text, 'latin1').toString('hex'))
  const infoHashes = [...new Set(list)].sort()
  return { type: 'ws', socket, action: ACTIONS.SCRAPE, info_hash: infoHashes.length === 0 ? undefined : infoHashes }
}

/** Sends offers to the sockets that the engine does not know; says which of the others get one. */
function passOffersOn (server, params, peers, infoHash) {
  const offersTo = []
  if (!Array.isArray(params.offers)) return offersTo
  const count = server._engine.offersPassedOn(params, params.offers.length)
  peers.slice(0, count).forEach((peer, at) => {
    const id = server._engine.socketId(peer.socket)
    if (id !== undefined) {
      offersTo[at] = id
      return
    }
    offersTo[at] = -1
    const { offer, offer_id: offerId } = params.offers[at]
    const peerId = Buffer.from(params.peer_id, 'hex').latin1Slice()
    peer.socket?.send(JSON.stringify({
      action: 'announce', offer, offer_id: offerId, peer_id: peerId, info_hash: infoHash
    }), peer.socket.onSend)
  })
  return offersTo
}
