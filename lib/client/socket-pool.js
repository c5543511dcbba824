'use strict'

/**
 * What programs may see of the sockets, by announce URL: whether one is `connected`, and how many
 * trackers on this thread are its `consumers`. Changing it changes nothing.
 */
exports.pool = {}

/** One more tracker uses the socket of this URL. */
exports.join = function join (url) {
  const view = exports.pool[url] ??= { url, connected: false, consumers: 0 }
  view.consumers += 1
  return view
}

exports.leave = function leave (view) {
  view.consumers -= 1
  if (view.consumers > 0) return
  view.connected = false
  if (exports.pool[view.url] === view) delete exports.pool[view.url]
}
