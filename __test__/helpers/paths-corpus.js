'use strict'

// Requests in a fixed order, over all transports, for tests that ask several servers the same. An entry has
// a `name` and is one of
//
// - `{ over: 'http', path, headers }`
// - `{ over: 'udp' or 'udp6', packet }`, a function of the connection id; `silent` if there must be no answer
// - `{ over: 'ws', socket, text }`, `binary` if it goes out as such, `unordered` if the torrents of the answer have no
//   order, or `closes: infoHash` for the end of the socket
//
// `differs` says why the original is not asked: a row of README's table, or what the engine alone has.

const crypto = require('node:crypto')
const { announcePath, percent, scrapePath } = require('./http')
const { hasIPv6 } = require('./test')
const { MAGIC, announceRequest, scrapeRequest, uint32 } = require('./udp')
const { announce, binary } = require('./websocket-peer')

/** Why the original is not asked. */
const ROWS = {
  utf8: 'info hashes and peer ids in answers are re-encoded as UTF-8',
  slash: 'exact paths only',
  compact2: '`compact` of 2 and more shows internal objects',
  repeated: 'a repeated `info_hash`, `peer_id`, `port` or `event` is taken somehow',
  numwant0: '`numwant` 0 means 50',
  leecher: 'once a seeder, always a seeder',
  forwarded: 'a bad `X-Forwarded-For` becomes the peer\'s address',
  udp6: 'IPv4 peers in answers over IPv6',
  stopped: 'offers with `stopped` are passed on',
  nullOffer: 'an offer that is `null` ends the process',
  binaryFrames: 'binary frames are read as text',
  twice: 'one key twice in a message: the last counts',
  answerOnce: 'an answer goes to the `to_peer_id`',
  stranger: 'any socket can stop or replace a peer by its id',
  maxOffers: 'up to 82 offers of an announce are passed on',
  maxPayload: 'messages up to 100 MiB, any number of sockets, torrents and waiting bytes',
  empty: 'silent peers leave when somebody looks, empty torrents never',
  counts: '64-bit counts wrong from 2 GiB on'
}

/** Where no row applies: the original has no rule of its own for such input, or its choice is random. */
const OWN_TEXT = 'the text is ours'
const SCRAPED_ONCE = 'a torrent that is named twice over UDP has one place in the answer'
const RANDOM = 'which socket gets which offer is random'

// ASCII, so that the original can say them over HTTP.
const ascii = text => Buffer.from(text.padEnd(20, '-')).toString('hex')
const peerId = number => ascii(`-PT0001-${number}`)
const SMALL = ascii('small')
const LARGE = ascii('large')
const MIXED = ascii('mixed')
const MEETING = ascii('meeting')
const CROWD = ascii('crowd')
const EMPTY = ascii('nobody')
const BYTES = crypto.createHash('sha1').update('any bytes').digest('hex')

const forwarded = ip => ({ 'x-forwarded-for': ip })

function http (name, path, { differs, headers } = {}) {
  return { over: 'http', name, path, headers, differs }
}

function httpAnnounce (name, params, options) {
  return http(name, announcePath({ infoHash: SMALL, peerId: peerId(1), ...params }), options)
}

let transaction = 0

function udp (name, packet, options) {
  const transactionId = uint32(++transaction)
  return { over: 'udp', name, packet: connectionId => packet({ connectionId, transactionId }), ...options }
}

function udpAnnounce (name, params, options) {
  return udp(name, ids => announceRequest({ ...ids, infoHash: MIXED, peerId: peerId(1), ...params }), options)
}

function udpScrape (name, hashes, options) {
  return udp(name, ids => scrapeRequest({ ...ids, hashes }), options)
}

function ws (name, socket, message, options) {
  return { over: 'ws', name, socket, text: typeof message === 'string' ? message : JSON.stringify(message), ...options }
}

const SOCKET_PEERS = { a: peerId('a'), b: peerId('b'), c: peerId('c') }

function wsAnnounce (name, socket, params, options) {
  return ws(name, socket, announce({ infoHash: MEETING, peerId: SOCKET_PEERS[socket], left: socket === 'b' ? 0 : 1, ...params }), options)
}

const offers = (name, count) => Array.from({ length: count }, (_, at) => (
  { offer: { type: 'offer', sdp: `${name} ${at}` }, offer_id: binary(ascii(`${name} ${at}`)) }
))

const answerTo = (socket, name, at = 0) => ({
  answer: { type: 'answer', sdp: `to ${name}` }, offer_id: binary(ascii(`${name} ${at}`)), toPeerId: SOCKET_PEERS[socket]
})

const options41 = text => Buffer.concat([Buffer.from([1, 2, text.length]), Buffer.from(text), Buffer.from([0])])

/** A life over HTTP, with a few peers. */
const HTTP_ANNOUNCES = [
  httpAnnounce('first', { event: 'started' }),
  httpAnnounce('the same again', { event: 'started' }),
  httpAnnounce('update without event', {}),
  httpAnnounce('event empty', { event: 'empty' }),
  httpAnnounce('event without value', { event: '' }),
  httpAnnounce('another', { peerId: peerId(2), port: 6882, event: 'started' }),
  httpAnnounce('a seeder', { peerId: peerId(3), port: 6883, left: 0, event: 'started' }),
  httpAnnounce('completed', { event: 'completed', left: 0 }),
  httpAnnounce('completed twice', { event: 'completed', left: 0 }),
  httpAnnounce('completed by a stranger', { peerId: peerId(4), port: 6884, event: 'completed', left: 0 }),
  httpAnnounce('paused', { event: 'paused', left: 0 }),
  httpAnnounce('paused by a stranger', { peerId: peerId(5), port: 6885, event: 'paused' }),
  httpAnnounce('stopped by a stranger', { peerId: peerId(6), port: 6886, event: 'stopped' }),
  httpAnnounce('compact 0', { compact: 0, left: 0 }),
  httpAnnounce('compact absent', { compact: undefined, left: 0 }),
  httpAnnounce('compact without value', { compact: '', left: 0 }),
  httpAnnounce('compact 2', { compact: 2, left: 0 }, { differs: ROWS.compact2 }),
  httpAnnounce('compact abc', { compact: 'abc', left: 0 }),
  httpAnnounce('compact 01', { compact: '01', left: 0 }),
  ...['1e0', '0x1', '+1', '%201', '-1', 'Infinity'].map(compact => httpAnnounce(`compact ${compact}`, { compact, left: 0 }, { differs: OWN_TEXT })),
  ...['1e0', '0x5', '+1', '%203', '-0', '1.9', 'Infinity', '1e99', '007'].map(numwant => httpAnnounce(`numwant ${numwant}`, { numwant, left: 0 }, { differs: OWN_TEXT })),
  httpAnnounce('compact 1.0', { compact: '1.0', left: 0 }),
  httpAnnounce('no_peer_id', { compact: 0, no_peer_id: 1, left: 0 }, { differs: 'new' }),
  httpAnnounce('no_peer_id 0', { compact: 0, no_peer_id: 0, left: 0 }),
  httpAnnounce('no_peer_id and compact', { no_peer_id: 1, left: 0 }),
  httpAnnounce('numwant 0', { numwant: 0, left: 0 }, { differs: ROWS.numwant0 }),
  httpAnnounce('numwant 0 in dictionaries', { numwant: 0, compact: 0, left: 0 }, { differs: ROWS.numwant0 }),
  httpAnnounce('numwant -1', { numwant: -1, left: 0 }, { differs: 'a negative number is none' }),
  httpAnnounce('numwant 5', { numwant: 5, left: 0 }),
  httpAnnounce('numwant 200', { numwant: 200, left: 0 }),
  httpAnnounce('numwant many', { numwant: 'many', left: 0 }),
  httpAnnounce('numwant 2.5', { numwant: '2.5', left: 0 }, { differs: 'a half peer' }),
  httpAnnounce('left absent', { peerId: peerId(7), port: 6887, left: undefined, event: 'started' }),
  httpAnnounce('left without value', { peerId: peerId(8), port: 6888, left: '', event: 'started' }, { differs: OWN_TEXT }),
  httpAnnounce('left abc', { peerId: peerId(9), port: 6889, left: 'abc', event: 'started' }),
  ...['0x0', '0.4', '-0', '%20', '+0', 'Infinity', '1e3', '00'].map(left => httpAnnounce(`left ${left}`, { peerId: peerId(9), port: 6889, left }, { differs: OWN_TEXT })),
  httpAnnounce('left negative', { peerId: peerId(9), port: 6889, left: -5 }),
  httpAnnounce('left over 64 bits', { peerId: peerId(9), port: 6889, left: '99999999999999999999999' }),
  httpAnnounce('a seeder that is a leecher again', { peerId: peerId(3), port: 6883, left: 5 }, { differs: ROWS.leecher }),
  httpAnnounce('stopped', { peerId: peerId(2), port: 6882, event: 'stopped' }),
  httpAnnounce('stopped in dictionaries', { peerId: peerId(5), port: 6885, event: 'stopped', compact: 0 }),
  httpAnnounce('keys of its own', { passkey: 'secret', ip: '10.9.8.7', key: 'abc', trackerid: 'x', left: 0 }),
  httpAnnounce('key __proto__', { __proto__: undefined, ['__proto__']: 'x', left: 0 }),
  httpAnnounce('another address', { peerId: peerId(10), event: 'started' }, { headers: forwarded('203.0.113.7') }),
  httpAnnounce('two proxies', { peerId: peerId(11), event: 'started' }, { headers: forwarded('203.0.113.8, 10.0.0.1') }),
  httpAnnounce('over IPv6', { peerId: peerId(12), event: 'started' }, { headers: forwarded('2001:db8::12') }),
  httpAnnounce('over IPv6 too', { peerId: peerId(13), event: 'started' }, { headers: forwarded('2001:db8:1:2:3:4:5:6') }),
  httpAnnounce('IPv6 in dictionaries', { peerId: peerId(13), compact: 0 }, { headers: forwarded('2001:db8:1:2:3:4:5:6') }),
  httpAnnounce('bad address', { event: 'started' }, { headers: forwarded('nowhere'), differs: ROWS.forwarded }),
  httpAnnounce('any bytes', { infoHash: BYTES, peerId: BYTES, event: 'started', compact: 0 }, { differs: ROWS.utf8 }),
  httpAnnounce('any bytes, compact', { infoHash: BYTES, peerId: BYTES, event: 'started' }),
  httpAnnounce('alone and stopped', { infoHash: EMPTY, event: 'stopped' })
]

const HTTP_BAD = [
  http('no query', '/announce'),
  http('empty query', '/announce?'),
  httpAnnounce('no info_hash', { infoHash: undefined }),
  httpAnnounce('info_hash of 19 bytes', { infoHash: SMALL.slice(2) }),
  httpAnnounce('info_hash of 21 bytes', { infoHash: `${SMALL}00` }),
  httpAnnounce('no peer_id', { peerId: undefined }),
  httpAnnounce('peer_id of 19 bytes', { peerId: SMALL.slice(2) }),
  ...['0', '', 'abc', '65536', '-1', '70000', '6881.5', '0x1', '+1', '1e3', '00080', '%2080'].map(port => httpAnnounce(`port ${port}`, { port },
    /^[0-9]*$|abc/.test(port) ? {} : { differs: OWN_TEXT })),
  httpAnnounce('no port', { port: undefined }),
  httpAnnounce('invalid event', { event: 'eaten' }),
  httpAnnounce('event of every object', { event: 'constructor' }),
  httpAnnounce('invalid event and filter', { infoHash: EMPTY, event: 'STARTED' }),
  http('repeated info_hash', `${announcePath({ infoHash: SMALL, peerId: peerId(1) })}&info_hash=${percent(Buffer.from(LARGE, 'hex'))}`,
    { differs: ROWS.repeated }),
  http('repeated peer_id', `${announcePath({ infoHash: SMALL, peerId: peerId(1) })}&peer_id=x`, { differs: ROWS.repeated }),
  http('repeated port', `${announcePath({ infoHash: SMALL, peerId: peerId(1) })}&port=6881`, { differs: ROWS.repeated }),
  http('repeated event', `${announcePath({ infoHash: SMALL, peerId: peerId(1), event: 'started' })}&event=stopped`,
    { differs: ROWS.repeated }),
  ...['numwant', 'compact', 'left', 'no_peer_id', 'passkey'].map(key => http(`repeated ${key}`,
    `${announcePath({ infoHash: SMALL, peerId: peerId(1), compact: 0, [key]: 0 })}&${key}=1`, { differs: OWN_TEXT })),
  http('a percent sign alone', `${announcePath({ infoHash: SMALL, peerId: peerId(1), left: 0 })}&x=%&y=%zz&%=`, { differs: OWN_TEXT }),
  http('a plus in an id', '/announce?info_hash=++++++++++++++++++++&peer_id=aaaaaaaaaaaaaaaaaaaa&port=1&left=1&compact=1', { differs: OWN_TEXT }),
  http('semicolons', '/announce?info_hash=aaaaaaaaaaaaaaaaaaaa;peer_id=aaaaaaaaaaaaaaaaaaaa;port=1'),
  http('unknown path', '/hello'),
  http('root', '/'),
  http('announce inside a path', '/x/announce?port=1'),
  http('announces', '/announces?port=1'),
  http('slash at the end', announcePath({ infoHash: SMALL, peerId: peerId(1), left: 0 }, '/announce/'), { differs: ROWS.slash })
]

const HTTP_SCRAPES = [
  http('scrape of one', scrapePath(SMALL)),
  http('scrape of two', scrapePath(SMALL, LARGE)),
  http('scrape of two in the other order', scrapePath(LARGE, SMALL)),
  http('scrape of one twice', scrapePath(SMALL, SMALL), { differs: OWN_TEXT }),
  http('scrape of a stranger', scrapePath(ascii('unknown'))),
  http('scrape of bytes', scrapePath(BYTES, SMALL), { differs: ROWS.utf8 }),
  http('scrape of bad ids', '/scrape?info_hash=abc'),
  http('scrape of one good and one bad id', `${scrapePath(SMALL)}&info_hash=abc`),
  http('scrape of nothing', '/scrape?info_hash=', { differs: OWN_TEXT }),
  http('full scrape', '/scrape', { differs: ROWS.utf8 }),
  http('full scrape with a query', '/scrape?x=1', { differs: ROWS.utf8 }),
  http('scrape with a slash', '/scrape/', { differs: ROWS.slash }),
  http('scrape of many', scrapePath(...Array.from({ length: 60 }, (_, at) => ascii(`many ${at}`)))),
  http('scrape with keys of an announce', announcePath({ infoHash: SMALL, peerId: peerId(1) }, '/scrape'))
]

/** More peers than an answer has. */
const FILL = Array.from({ length: 110 }, (_, at) => {
  const params = { infoHash: LARGE, peerId: peerId(at), port: 1000 + at, left: at % 3, event: 'started', numwant: 1 }
  return at % 5 === 0
    ? udpAnnounce(`fill ${at}`, params)
    : httpAnnounce(`fill ${at}`, params, { headers: at % 7 === 0 ? forwarded(`2001:db8::${at}`) : undefined })
})

const LARGE_SWARM = [
  ...[undefined, -1, 1, 5, 50, 82, 200, 0].flatMap(numwant => [
    httpAnnounce(`large, numwant ${numwant}`, { infoHash: LARGE, peerId: peerId(1), port: 1001, numwant },
      { differs: numwant === 0 || numwant === -1 ? ROWS.numwant0 : undefined }),
    udpAnnounce(`large over UDP, numwant ${numwant}`, { infoHash: LARGE, peerId: peerId(1), port: 1001, numwant },
      { differs: numwant === 0 ? ROWS.numwant0 : undefined })
  ]),
  httpAnnounce('large in dictionaries', { infoHash: LARGE, peerId: peerId(1), port: 1001, compact: 0, numwant: 30 }),
  httpAnnounce('large without ids', { infoHash: LARGE, peerId: peerId(1), port: 1001, compact: 0, no_peer_id: 1 }, { differs: 'new' }),
  httpAnnounce('large over IPv6', { infoHash: LARGE, peerId: peerId(7), port: 1007, numwant: 20 }, { headers: forwarded('2001:db8::7') }),
  httpAnnounce('large, stopped', { infoHash: LARGE, peerId: peerId(1), port: 1001, event: 'stopped', numwant: 3 }),
  httpAnnounce('large, completed', { infoHash: LARGE, peerId: peerId(2), port: 1002, event: 'completed', left: 0, numwant: 7 })
]

const UDP = [
  udp('connect', ({ transactionId }) => Buffer.concat([MAGIC, uint32(0), transactionId])),
  udp('connect with another magic number', ({ transactionId }) => Buffer.concat([Buffer.alloc(8, 7), uint32(0), transactionId]), { silent: true }),
  udpAnnounce('started over UDP', { event: 'started', port: 2001 }),
  udpAnnounce('update over UDP', { event: 'update', port: 2001 }),
  udpAnnounce('another over UDP', { event: 'started', peerId: peerId(2), port: 2002 }),
  udpAnnounce('completed over UDP', { event: 'completed', left: 0, port: 2001 }),
  udpAnnounce('paused over UDP', { event: 'paused', left: 0, port: 2001 }),
  udpAnnounce('numwant 0 over UDP', { numwant: 0, left: 0, port: 2001 }, { differs: ROWS.numwant0 }),
  udpAnnounce('numwant 1 over UDP', { numwant: 1, left: 0, port: 2001 }),
  udpAnnounce('left unknown', { left: -1n, peerId: peerId(3), port: 2003, event: 'started' }),
  udpAnnounce('counts over 2 GiB', { left: 2 ** 40, downloaded: 2 ** 60, peerId: peerId(4), port: 2004, event: 'started' },
    { differs: ROWS.counts }),
  udpAnnounce('left that is 0 in its low half', { left: 2 ** 32, peerId: peerId(4), port: 2004 }, { differs: ROWS.counts }),
  // The sender's own port, which is another one each time: nobody hears of it.
  udpAnnounce('port 0', { infoHash: ascii('port 0'), port: 0, numwant: 0, event: 'started' }, { differs: ROWS.numwant0 }),
  udpAnnounce('an ip', { ip: 0x0a000001, peerId: peerId(5), port: 2005, event: 'started' }, { differs: 'an announce with an `ip` is stored without an address' }),
  udpAnnounce('invalid event over UDP', { event: 9, port: 2001 }, { silent: true, differs: OWN_TEXT }),
  udpAnnounce('event 2^32 - 1', { event: 2 ** 32 - 1, port: 2001 }, { silent: true, differs: OWN_TEXT }),
  udpAnnounce('URL data', { left: 0, port: 2001, options: options41('/announce?passkey=secret&numwant=0') }),
  udpAnnounce('URL data cut short', { left: 0, port: 2001, options: Buffer.from([2, 200, 47]) }),
  udpAnnounce('unknown option', { left: 0, port: 2001, options: Buffer.from([9, 2, 1, 1, 2, 1, 47]) }),
  udpAnnounce('many options', { left: 0, port: 2001, options: Buffer.concat(Array(12).fill(Buffer.concat([Buffer.from([2, 255]), Buffer.alloc(255, 'x')]))) }),
  udpAnnounce('any bytes over UDP', { infoHash: BYTES, peerId: BYTES, event: 'started', port: 2009 }),
  udpAnnounce('bad connection id', { connectionId: Buffer.alloc(8, 9), port: 2001 }, { silent: true, differs: 'one connection id for all' }),
  udp('short announce', ids => announceRequest({ ...ids, infoHash: MIXED, peerId: peerId(1) }).subarray(0, 97), { silent: true, differs: OWN_TEXT }),
  udp('15 bytes', ({ connectionId }) => Buffer.concat([connectionId, Buffer.alloc(7)]), { silent: true }),
  udp('one byte', () => Buffer.from([1]), { silent: true }),
  udp('unknown action', ({ connectionId, transactionId }) => Buffer.concat([connectionId, uint32(7), transactionId]), { silent: true }),
  udp('action error', ({ connectionId, transactionId }) => Buffer.concat([connectionId, uint32(3), transactionId]), { silent: true }),
  udpScrape('scrape over UDP', [MIXED]),
  udpScrape('scrape of a few over UDP', [MIXED, SMALL, EMPTY, ascii('unknown'), BYTES]),
  udpScrape('scrape of the same twice over UDP', [MIXED, MIXED], { differs: SCRAPED_ONCE }),
  udpScrape('scrape of 70 over UDP', Array.from({ length: 70 }, (_, at) => at ? ascii(`many ${at}`) : MIXED)),
  udpScrape('scrape of 74 over UDP', Array.from({ length: 74 }, (_, at) => at % 2 ? MIXED : ascii(`many ${at}`)), { differs: SCRAPED_ONCE }),
  udpScrape('scrape of 80 over UDP', Array.from({ length: 80 }, (_, at) => at % 2 ? LARGE : ascii(`many ${at}`)), { differs: OWN_TEXT }),
  udpScrape('scrape of none over UDP', [], { differs: OWN_TEXT }),
  udp('scrape of one and a half', ids => Buffer.concat([scrapeRequest({ ...ids, hashes: [MIXED] }), Buffer.alloc(10)]), { silent: true, differs: OWN_TEXT }),
  udpAnnounce('stopped over UDP', { event: 'stopped', left: 0, port: 2001 }),
  udpAnnounce('stopped twice over UDP', { event: 'stopped', left: 0, port: 2001 })
]

const UDP6 = [
  udpAnnounce('started over IPv6', { event: 'started', peerId: peerId(20), port: 2020 }, { over: 'udp6', differs: ROWS.udp6 }),
  udpAnnounce('large over IPv6 and UDP', { infoHash: LARGE, peerId: peerId(21), port: 2021, numwant: 10 }, { over: 'udp6', differs: ROWS.udp6 }),
  udpAnnounce('stopped over IPv6', { event: 'stopped', peerId: peerId(20), port: 2020 }, { over: 'udp6', differs: ROWS.udp6 })
]

const WS = [
  wsAnnounce('a joins', 'a', { event: 'started' }),
  wsAnnounce('a updates, with an empty list', 'a', { offers: [] }),
  wsAnnounce('b joins', 'b', { event: 'started', left: 0 }),
  wsAnnounce('a has an offer', 'a', { offers: offers('one', 1) }),
  wsAnnounce('b answers', 'b', answerTo('a', 'one')),
  wsAnnounce('b answers again', 'b', answerTo('a', 'one'), { differs: ROWS.answerOnce }),
  wsAnnounce('b answers what nobody offered', 'b', answerTo('a', 'never'), { differs: ROWS.answerOnce }),
  wsAnnounce('b answers nobody', 'b', { ...answerTo('a', 'one'), toPeerId: undefined }),
  wsAnnounce('a has more offers than there are sockets', 'a', { offers: offers('three', 3), numwant: 3 }, { differs: RANDOM }),
  wsAnnounce('a has an offer, numwant 0', 'a', { offers: offers('none', 1), numwant: 0 }),
  wsAnnounce('c joins with offers', 'c', { event: 'started', offers: offers('c', 2) }, { differs: RANDOM }),
  wsAnnounce('a has two offers', 'a', { offers: offers('two', 2) }, { differs: RANDOM }),
  wsAnnounce('a has one for two', 'a', { offers: offers('again', 1) }, { differs: RANDOM }),
  wsAnnounce('an answer with offers', 'b', { ...answerTo('a', 'again'), offers: offers('beside', 2) }, { differs: RANDOM }),
  wsAnnounce('answer false with an offer', 'b', { answer: false, offers: offers('false', 1) }, { differs: RANDOM }),
  wsAnnounce('answer that is a text, empty', 'b', { ...answerTo('a', 'again'), answer: '', offers: offers('empty', 1) }, { differs: RANDOM }),
  wsAnnounce('b has one for two', 'b', { offers: offers('from b', 1) }, { differs: RANDOM }),
  wsAnnounce('c answers b', 'c', answerTo('b', 'from b'), { differs: RANDOM }),
  wsAnnounce('a answers b', 'a', answerTo('b', 'from b'), { differs: RANDOM }),
  wsAnnounce('30 offers', 'a', { offers: offers('many', 30) }, { differs: ROWS.maxOffers }),
  wsAnnounce('offers that are none', 'a', { offers: [{ offer: null, offer_id: 'x' }, null] }, { differs: ROWS.nullOffer }),
  wsAnnounce('offers without ids', 'a', { offers: [{ offer: { type: 'offer', sdp: 'x' } }] }, { differs: RANDOM }),
  wsAnnounce('offers that are a text', 'a', { offers: 'x' }, { differs: OWN_TEXT }),
  wsAnnounce('offers with odd texts', 'a', { offers: [{ offer: { sdp: '\u2028 "\\ é 💥' }, offer_id: 'é💥' }] }, { differs: RANDOM }),
  wsAnnounce('completed', 'a', { event: 'completed', left: 0 }),
  wsAnnounce('completed with an offer', 'a', { event: 'completed', left: 0, offers: offers('full', 1) }, { differs: RANDOM }),
  wsAnnounce('paused', 'a', { event: 'paused', left: 0 }),
  wsAnnounce('event empty', 'a', { event: 'empty', left: 0 }),
  wsAnnounce('event without value', 'a', { event: '', left: 0 }),
  wsAnnounce('event null', 'a', { event: null, left: 0 }, { differs: OWN_TEXT }),
  wsAnnounce('invalid event', 'a', { event: 'eaten' }),
  wsAnnounce('event of every object', 'a', { event: 'toString' }),
  wsAnnounce('event that is a number', 'a', { event: 5 }, { differs: OWN_TEXT }),
  wsAnnounce('left as a text', 'a', { left: '0' }),
  wsAnnounce('left null', 'b', { left: null }, { differs: OWN_TEXT }),
  wsAnnounce('left absent', 'b', { left: undefined }, { differs: ROWS.leecher }),
  wsAnnounce('left that is an object', 'b', { left: { valueOf: 1 } }, { differs: OWN_TEXT }),
  wsAnnounce('keys of its own', 'a', { passkey: 'x', extra: { deep: [1, 2] }, type: 'udp', compact: 1, socket: 1, left: 0 }),
  wsAnnounce('any bytes', 'a', { infoHash: BYTES, left: 0, event: 'started' }),
  wsAnnounce('a with another id', 'a', { peerId: peerId('other') }, { differs: ROWS.stranger }),
  wsAnnounce('a with the id of b', 'a', { peerId: SOCKET_PEERS.b }, { differs: ROWS.stranger }),
  wsAnnounce('a has offers, with the id of b', 'a', { peerId: SOCKET_PEERS.b, offers: offers('double', 2) }, { differs: ROWS.stranger }),
  wsAnnounce('stopped with the id of b', 'a', { peerId: SOCKET_PEERS.b, event: 'stopped' }, { differs: ROWS.stranger }),
  wsAnnounce('torrent of other transports', 'a', { infoHash: SMALL, event: 'started', offers: offers('small', 2) }),
  ws('scrape', 'a', { action: 'scrape', info_hash: binary(MEETING) }),
  ws('scrape of a few', 'b', { action: 'scrape', info_hash: [binary(MEETING), binary(SMALL), binary(ascii('unknown'))] }),
  ws('scrape of the same twice', 'b', { action: 'scrape', info_hash: [binary(MEETING), binary(SMALL), binary(MEETING)] }),
  ws('scrape of any bytes', 'b', { action: 'scrape', info_hash: binary(BYTES) }),
  ws('scrape of bad ids', 'a', { action: 'scrape', info_hash: ['abc'] }),
  ws('scrape of a bad id', 'a', { action: 'scrape', info_hash: 'abc' }),
  ws('scrape of a number', 'a', { action: 'scrape', info_hash: 5 }, { differs: OWN_TEXT }),
  ws('scrape of an empty list', 'a', { action: 'scrape', info_hash: [] }, { unordered: true, differs: OWN_TEXT }),
  ws('scrape of null', 'a', { action: 'scrape', info_hash: null }, { unordered: true, differs: OWN_TEXT }),
  ws('scrape of an empty text', 'a', { action: 'scrape', info_hash: '' }, { unordered: true, differs: OWN_TEXT }),
  ws('full scrape', 'a', { action: 'scrape' }, { unordered: true, differs: ROWS.empty }),
  ws('no JSON', 'a', 'hello', { differs: OWN_TEXT }),
  ws('JSON cut short', 'a', '{"action":"announce"', { differs: OWN_TEXT }),
  ws('empty', 'a', '', { differs: OWN_TEXT }),
  ...['null', '5', '"x"', '[]', 'true'].map(text => ws(`JSON ${text}`, 'a', text, { differs: OWN_TEXT })),
  ws('no action', 'a', {}),
  ws('unknown action', 'a', { action: 'eat' }),
  ws('action that is a number', 'a', { action: 1 }, { differs: OWN_TEXT }),
  ws('deep JSON', 'a', `{"action":"announce","x":${'['.repeat(500)}${']'.repeat(500)}}`, { differs: OWN_TEXT }),
  ws('one key twice', 'a', '{"action":"scrape","action":"announce"}', { differs: ROWS.twice }),
  wsAnnounce('short info_hash', 'a', { infoHash: MEETING.slice(2) }),
  wsAnnounce('long info_hash', 'a', { infoHash: `${MEETING}00` }),
  ws('no info_hash', 'a', { action: 'announce', peer_id: binary(SOCKET_PEERS.a) }),
  ws('info_hash with wide characters', 'a', { action: 'announce', info_hash: '💥'.repeat(10), peer_id: binary(SOCKET_PEERS.a) }, { differs: OWN_TEXT }),
  wsAnnounce('short peer_id', 'a', { peerId: MEETING.slice(2) }),
  ws('no peer_id', 'a', { action: 'announce', info_hash: binary(MEETING) }),
  wsAnnounce('short to_peer_id', 'a', { ...answerTo('b', 'one'), toPeerId: 'ab' }),
  ws('binary frame', 'a', { action: 'scrape' }, { binary: true, differs: ROWS.binaryFrames }),
  wsAnnounce('stopped with offers', 'a', { event: 'stopped', offers: offers('late', 2) }, { differs: ROWS.stopped }),
  wsAnnounce('a joins again', 'a', { event: 'started', left: 0 }),
  wsAnnounce('stopped', 'a', { event: 'stopped' }),
  wsAnnounce('stopped twice', 'a', { event: 'stopped' }),
  wsAnnounce('stopped without a torrent', 'a', { infoHash: ascii('unseen'), event: 'stopped' }),
  ...Array.from({ length: 25 }, (_, at) => wsAnnounce(`${at} joins a crowd`, `s${at}`, { infoHash: CROWD, peerId: peerId(`s${at}`), event: 'started' })),
  ...[1, 5, 20, 30].map(count => wsAnnounce(`${count} offers to a crowd`, 'a', { infoHash: CROWD, offers: offers('crowd', count) }, { differs: RANDOM })),
  wsAnnounce('stopped with offers to a crowd', 'a', { infoHash: CROWD, offers: offers('last', 3), event: 'stopped' }, { differs: ROWS.stopped }),
  { over: 'ws', name: 'b leaves', socket: 'b', closes: MEETING },
  wsAnnounce('c sees who is left', 'c', { offers: offers('last', 2) }, { differs: RANDOM }),
  ws('scrape of who is left', 'a', { action: 'scrape', info_hash: binary(MEETING) }),
  ws('message too long', 'd', ' '.repeat(70_000), { differs: ROWS.maxPayload })
]

const ALL = [
  ...HTTP_ANNOUNCES, ...HTTP_BAD, ...UDP, ...FILL, ...LARGE_SWARM, ...(hasIPv6 ? UDP6 : []), ...WS, ...HTTP_SCRAPES,
  ...HTTP_ANNOUNCES.slice(0, 20).map(entry => ({ ...entry, differs: ROWS.leecher }))
]

/** Numbered, for a name to be found. */
const CORPUS = ALL.map((entry, at) => ({ ...entry, name: `${at} ${entry.over}: ${entry.name}` }))

module.exports = { CORPUS, ROWS }
