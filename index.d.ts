import { EventEmitter } from 'node:events'
import {
  IncomingHttpHeaders, IncomingMessage, Server as HttpServer, ServerOptions as HttpServerOptions, ServerResponse
} from 'node:http'
import { Duplex } from 'node:stream'

export = Client

/** Names of events and the arguments of their listeners. */
type EventMap<Events> = { [Name in keyof Events]: unknown[] }

/** An emitter whose own events are typed; other names stay free for the app's use. */
declare class TypedEmitter<Events extends EventMap<Events>> extends EventEmitter {
  on<Name extends keyof Events> (event: Name, listener: (...args: Events[Name]) => void): this
  on<Name extends string | symbol> (event: Name, listener: OtherListener<Events, Name>): this
  once<Name extends keyof Events> (event: Name, listener: (...args: Events[Name]) => void): this
  once<Name extends string | symbol> (event: Name, listener: OtherListener<Events, Name>): this
  addListener<Name extends keyof Events> (event: Name, listener: (...args: Events[Name]) => void): this
  addListener<Name extends string | symbol> (event: Name, listener: OtherListener<Events, Name>): this
  prependListener<Name extends keyof Events> (event: Name, listener: (...args: Events[Name]) => void): this
  prependListener<Name extends string | symbol> (event: Name, listener: OtherListener<Events, Name>): this
  prependOnceListener<Name extends keyof Events> (event: Name, listener: (...args: Events[Name]) => void): this
  prependOnceListener<Name extends string | symbol> (event: Name, listener: OtherListener<Events, Name>): this
  off<Name extends keyof Events> (event: Name, listener: (...args: Events[Name]) => void): this
  off<Name extends string | symbol> (event: Name, listener: OtherListener<Events, Name>): this
  removeListener<Name extends keyof Events> (event: Name, listener: (...args: Events[Name]) => void): this
  removeListener<Name extends string | symbol> (event: Name, listener: OtherListener<Events, Name>): this
  emit<Name extends keyof Events> (event: Name, ...args: Events[Name]): boolean
  emit<Name extends string | symbol> (event: Name, ...args: Name extends keyof Events ? never : any[]): boolean
}

/** A listener of an event that is not in the map; for one that is in it the typed overload counts. */
type OtherListener<Events, Name> = Name extends keyof Events ? never : (...args: any[]) => void

/**
 * A BitTorrent tracker client: announces one torrent to its trackers over HTTP (BEP 3, 7, 23, 24, 31, 48), UDP
 * (BEP 15, 41) and WebSocket (WebTorrent), and finds peers by them. Trackers are tried all at once, or in the order of
 * BEP 12 where `announce` is a list of lists.
 *
 * A `warning` without a listener is lost; an `error` without a listener is thrown, as in any `EventEmitter`.
 */
declare class Client extends TypedEmitter<Client.ClientEvents> {
  /**
   * @throws {Error} `` Option `peerId` is required ``; likewise for `infoHash`, `announce` and `port`
   * @throws {TypeError} an option of the wrong type or out of its range; `code` is `ERR_TRACKER_INVALID_OPTION`
   */
  constructor (opts: Client.ClientOptions)

  /**
   * The signature up to version 7, which also works without `new`.
   *
   * @param peerId 20 bytes, 40 hexadecimal digits, or a text of 20 characters
   * @param port the announced port, 1 to 65535
   * @deprecated use the one with a single object
   */
  constructor (peerId: Client.Id, port: number, torrent: Client.Torrent, opts?: Client.PositionalOptions)

  /** The peer id as it was given, or as 40 hexadecimal digits if it was given as bytes. */
  readonly peerId: string
  /** The info hash as 40 lower-case hexadecimal digits. */
  readonly infoHash: string
  /** The 20 bytes of the peer id. */
  readonly peerIdBuffer: Buffer
  /** The 20 bytes of the info hash. */
  readonly infoHashBuffer: Buffer
  /** Whether `destroy` was called. */
  readonly destroyed: boolean
  /**
   * Bytes of the whole torrent; what is left is counted from it. Of the positional signature.
   *
   * @deprecated give `left` in the options of an announce, or by `getAnnounceOpts`
   */
  torrentLength: number | undefined

  /** Announces `started`, and from then on regularly: every 30 minutes or as the tracker says. */
  start (opts?: Client.AnnounceOptions): void
  /** Announces `stopped`. Regular announces go on until `destroy` or `setInterval(0)`. */
  stop (opts?: Client.AnnounceOptions): void
  /** Announces `completed`. */
  complete (opts?: Client.AnnounceOptions): void
  /** Announces between the regular times, without an event. */
  update (opts?: Client.AnnounceOptions): void
  /** Asks every tracker for the counts of the client's torrent or of others: one `scrape` event for each. */
  scrape (opts?: Client.ScrapeOptions): void

  /**
   * Sets the time between regular announces. The next answer of a tracker sets it anew.
   *
   * @param intervalMs milliseconds up to 2^31 - 1; 0 for never; 30 minutes if left out
   */
  setInterval (intervalMs?: number): void

  /**
   * Ends the client. What is under way, such as a `stop` just before, has 1000 ms to arrive; no event comes any more.
   *
   * @param cb called when all requests have ended; not called by a second `destroy`
   */
  destroy (cb?: (err: null) => void): void

  /**
   * Asks a tracker for the counts of torrents, without a client.
   *
   * @param cb gets the first warning or error there was, or the counts: those of one torrent, or an object of them by
   *   info hash if several were asked for
   * @returns the client that does it
   * @throws {Error} `` Option `infoHash` is required ``, `` Option `announce` is required ``
   */
  static scrape (opts: Client.OneScrapeOptions, cb: Client.ScrapeCallback<Client.ScrapeData>): Client
  static scrape (opts: Client.StaticScrapeOptions, cb: Client.ScrapeCallback<Client.ScrapeResults>): Client
  /** @deprecated the signature up to version 7; use the one with an object */
  static scrape (announce: string, infoHash: Client.Id, cb: Client.ScrapeCallback<Client.ScrapeData>): Client
  /** @deprecated the signature up to version 7; use the one with an object */
  static scrape (announce: string, infoHash: readonly Client.Id[], cb: Client.ScrapeCallback<Client.ScrapeResults>): Client
}

/**
 * The signature up to version 7, without `new`.
 *
 * @throws {TypeError} any other arguments: the class needs `new`
 * @deprecated use `new Client` with a single object
 */
declare function Client (
  peerId: Client.Id, port: number, torrent: Client.Torrent, opts?: Client.PositionalOptions
): Client

import ClientClass = Client

declare namespace Client {
  export { ClientClass as Client }

  /** A peer id or info hash: 20 bytes, or 40 hexadecimal digits. */
  export type Id = string | Uint8Array

  /** Gets the first warning or error that there was, or the counts. */
  export type ScrapeCallback<Counts> = (err: TrackerError | null, data: Counts) => void

  /** Options of a client. */
  export interface ClientOptions {
    /** 40 hexadecimal digits, or 20 bytes. */
    peerId: Id
    /** 40 hexadecimal digits, or 20 bytes. */
    infoHash: Id
    /**
     * The announce URLs (`http:`, `https:`, `udp:`, `ws:`, `wss:`). A flat list is announced to all at once. A list of
     * lists has tiers (BEP 12): one tracker at a time, those of the first tier before the others. One `/` at the end is
     * taken off, and of equal ones the first stays. A URL that cannot be used is a `warning` with the code
     * `ERR_TRACKER_URL`.
     */
    announce: string | ReadonlyArray<string | Uint8Array> | ReadonlyArray<ReadonlyArray<string | Uint8Array>>
    /** The port on which this peer listens, 1 to 65535. */
    port: number
    /** Called before every announce, the regular ones included; what it returns wins. */
    getAnnounceOpts?: (() => AnnounceOptions | undefined | void) | undefined
    /** The `User-Agent` header over HTTP; an empty one by default. */
    userAgent?: string | undefined
    /**
     * The shortest time between regular announces that a tracker can ask for, in milliseconds, over 0 and up to
     * 2^31 - 1; 60,000 by default. The longest is 24 h.
     */
    minInterval?: number | undefined
    /**
     * The time that a request may take, in milliseconds, over 0 and up to 2^31 - 1; 15,000 by default. Name
     * resolution, redirects and BEP 15's retransmissions are within it; the wait for a turn among many requests is not.
     */
    requestTimeout?: number | undefined
    /**
     * The address families of a tracker to announce over. By default IPv4, and IPv6 if there is no IPv4 address or no
     * answer over it. `both` announces over the two of them (BEP 7), and merges the answers into one.
     */
    families?: 'both' | 'ipv4' | 'ipv6' | undefined
    /**
     * The way to the trackers, if not the direct one: the URL of a proxy, or an object. What a proxy that is set cannot
     * carry is not sent: that is a `warning`, `ERR_TRACKER_PROXY`. WebRTC between peers does not go through it.
     */
    proxyOpts?: string | URL | ProxyOptions | undefined
    /** The `RTCConfiguration` of WebRTC peers, such as `{ iceServers: [{ urls: 'stun:stun.example' }] }`. */
    rtcConfig?: object | undefined
    /**
     * WebRTC for WebSocket trackers: an object with `RTCPeerConnection`, `RTCSessionDescription` and
     * `RTCIceCandidate`, or a function that returns one; `false` for no WebSocket trackers. By default the first there
     * is of `globalThis.WRTC`, the global `RTCPeerConnection`, and the packages `@roamhq/wrtc` and `webrtc-polyfill` if
     * the program has installed one of them. With none, WebSocket trackers are a `warning`, `ERR_TRACKER_WEBRTC`.
     */
    wrtc?: false | object | (() => false | object | undefined) | undefined
  }

  /**
   * Ways to trackers. Over HTTP and WebSocket an agent goes before the others; over UDP there are `socksProxy` and
   * `url` alone.
   */
  export interface ProxyOptions {
    /**
     * A proxy for HTTP, UDP and WebSocket alike, which resolves the names of trackers:
     * `socks5://user:password@host:port`. `http:` and `socks4:` carry no UDP. User and password are percent-encoded.
     */
    url?: string | URL | undefined
    /** The same, as a URL or as options of the npm package `socks`. Before `url`. */
    socksProxy?: string | URL | SocksProxyOptions | undefined
    /**
     * For `http:` and `ws:`: an `http.Agent`, such as one of the package `proxy-agent`, or for `http:` alone a dispatcher
     * of undici that the global `fetch` takes.
     */
    httpAgent?: object | undefined
    /** For `https:` and `wss:`, likewise. */
    httpsAgent?: object | undefined
  }

  /** Options of the npm package `socks`; what else they have is not looked at. */
  export interface SocksProxyOptions {
    proxy: {
      /** The proxy's name or address; `ipaddress` is the same. */
      host?: string | undefined
      ipaddress?: string | undefined
      /** 1080 by default. */
      port?: number | undefined
      /** The version, 5 by default. The other one carries no UDP. */
      type?: 4 | 5 | undefined
      userId?: string | undefined
      password?: string | undefined
      /** As the first version of `socks` has them. */
      authentication?: { username?: string | undefined, password?: string | undefined } | undefined
    }
    [key: string]: unknown
  }

  /** The torrent of the signature up to version 7. */
  export interface Torrent {
    /** 40 hexadecimal digits, or 20 bytes. */
    infoHash: Id
    /** The announce URLs, as in {@link ClientOptions.announce}. */
    announce?: ClientOptions['announce'] | undefined
    /** Bytes of the whole torrent, from which `left` is counted. */
    length?: number | undefined
  }

  /** Options of the signature up to version 7: those of today and two more. */
  export interface PositionalOptions extends Partial<Omit<ClientOptions, 'peerId' | 'infoHash' | 'announce' | 'port'>> {
    /** Peers wanted in an answer; 50 by default. */
    numWant?: number | undefined
    /** Milliseconds between regular announces, whatever the trackers say. */
    interval?: number | undefined
  }

  /** A value in the query of an announce: an array is the key several times, bytes are percent-encoded. */
  export type QueryValue = string | number | bigint | boolean | Uint8Array | null | undefined

  /** What an announce says. Keys that are not listed are sent as they are, over HTTP and WebSocket only. */
  export interface AnnounceOptions {
    /** Bytes uploaded since `start`; 0 by default. */
    uploaded?: number | bigint | undefined
    /** Bytes downloaded since `start`; 0 by default. */
    downloaded?: number | bigint | undefined
    /**
     * Bytes left to download; 0 makes a seeder. Not known by default (`NaN` says the same), which is a leecher: 16384
     * over HTTP, 2^64 - 1 over UDP, not sent over WebSocket.
     */
    left?: number | bigint | undefined
    /**
     * Peers wanted in the answer; 50 by default. Trackers give fewer, and often no more than 50 to 200. Over WebSocket
     * it is the number of offers, of which at most 5 are made.
     */
    numwant?: number | undefined
    /** HTTP: 1, the default, for addresses in compact form (BEP 23), 0 for dictionaries (BEP 3). */
    compact?: 0 | 1 | undefined
    [key: string]: QueryValue | readonly QueryValue[]
  }

  /** Options of a client's scrape. */
  export interface ScrapeOptions {
    /** Torrents to ask about; the client's own by default. */
    infoHash?: Id | readonly Id[] | undefined
  }

  /** Options of {@link Client.scrape}. */
  export interface StaticScrapeOptions extends Partial<Omit<ClientOptions, 'infoHash' | 'announce'>> {
    /** The announce URL; the scrape URL is made from it (BEP 48). */
    announce: ClientOptions['announce']
    /** One torrent or several. */
    infoHash: Id | readonly Id[]
  }

  /** Options of {@link Client.scrape} for one torrent. */
  export interface OneScrapeOptions extends StaticScrapeOptions {
    infoHash: Id
  }

  /** A bencoded value (BEP 3): strings are bytes. */
  export type BencodedValue = number | Uint8Array | BencodedValue[] | { [key: string]: BencodedValue }

  /** A value in a WebSocket tracker's answer. */
  export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue }

  /**
   * A tracker's answer to an announce. Over UDP it is `announce`, `complete` and `incomplete`. Over HTTP and WebSocket
   * it is what the tracker sent, all keys of it and as they came, with `announce` and `infoHash` added. Bytes are
   * `Uint8Array`s over HTTP, and over WebSocket strings with a character for each byte.
   */
  export interface UpdateData {
    /** The announce URL. */
    announce: string
    /** HTTP and WebSocket: the info hash in hexadecimal digits. */
    infoHash?: string
    /** Seeders. Over HTTP it is missing where a tracker does not send it. */
    complete: number
    /** Leechers. Over HTTP it is missing where a tracker does not send it. */
    incomplete: number
    /** HTTP and WebSocket: seconds between announces, as sent: the client keeps within its limits. */
    interval?: number
    /** HTTP: seconds that announces are apart at least, as sent. */
    'min interval'?: number
    /** HTTP: what the client sends back as `trackerid`. */
    'tracker id'?: Uint8Array | string
    /** HTTP: this peer's address, 4 or 16 bytes (BEP 24). */
    'external ip'?: Uint8Array
    /** HTTP: a message for the user; it is also a `warning` with the code `ERR_TRACKER_WARNING`. */
    'warning message'?: Uint8Array | string
    /** HTTP: the peers as sent, 6 bytes each (BEP 23) or dictionaries (BEP 3). Each is also a `peer` event. */
    peers?: BencodedValue
    /** HTTP: IPv6 peers as sent, 18 bytes each (BEP 7). Each is also a `peer` event. */
    peers6?: BencodedValue
    [key: string]: BencodedValue | JsonValue | undefined
  }

  /** The counts of a torrent. Over HTTP with all else that the tracker sent for it, as it came. */
  export interface ScrapeData {
    /** The announce URL. */
    announce: string
    /** The info hash in lower-case hexadecimal digits. */
    infoHash: string
    /** Seeders. Over HTTP it is missing where a tracker does not send it; so are the others. */
    complete: number
    /** Leechers. */
    incomplete: number
    /** Completed downloads, ever. */
    downloaded: number
    [key: string]: BencodedValue | JsonValue | undefined
  }

  /** The result of a scrape of several torrents: by info hash, or that of the one if they are the same. */
  export type ScrapeResults = { [infoHash: string]: ScrapeData } | ScrapeData

  /** What `code` of a client's warnings and errors can be; README.md says what each means. */
  export type ClientErrorCode =
    | 'ERR_TRACKER_ABORTED'
    | 'ERR_TRACKER_CLOSED'
    | 'ERR_TRACKER_DECODE'
    | 'ERR_TRACKER_FAILURE'
    | 'ERR_TRACKER_INTERVAL'
    | 'ERR_TRACKER_NETWORK'
    | 'ERR_TRACKER_PEERS'
    | 'ERR_TRACKER_PROXY'
    | 'ERR_TRACKER_REDIRECT'
    | 'ERR_TRACKER_REDIRECT_REFUSED'
    | 'ERR_TRACKER_REQUEST'
    | 'ERR_TRACKER_RESPONSE'
    | 'ERR_TRACKER_SCRAPE_NOT_SUPPORTED'
    | 'ERR_TRACKER_STATUS'
    | 'ERR_TRACKER_TIMEOUT'
    | 'ERR_TRACKER_TLS_ROOTS'
    | 'ERR_TRACKER_TOO_LARGE'
    | 'ERR_TRACKER_URL'
    | 'ERR_TRACKER_USER_AGENT'
    | 'ERR_TRACKER_WARNING'
    | 'ERR_TRACKER_WEBRTC'

  /** A warning or an error of a client. */
  export interface TrackerError extends Error {
    /** Stable, for programs; the text is for people. */
    code: ClientErrorCode | (string & {})
    /**
     * With `ERR_TRACKER_NETWORK` and `ERR_TRACKER_PROXY`: what failed below, in the shape of Node's system errors if it is
     * one.
     */
    cause?: unknown
    /** With a refusal that says so (BEP 31): minutes until the tracker may be asked again; `Infinity` for never. */
    retryIn?: number
  }

  /**
   * A peer that was found over a WebSocket tracker and is about to be connected to: an instance of npm's `simple-peer`.
   * Data can be written and read after `connect`. Until then its errors are warnings of the client; from then on the
   * program has to listen for `error`. It belongs to the program, which has to `destroy` it.
   */
  export interface WebRTCPeer extends Duplex {
    /** The peer id in hexadecimal digits. */
    id: string
    /** Whether this side made the offer. */
    readonly initiator: boolean
    readonly connected: boolean
    signal (data: unknown): void
    send (data: string | Uint8Array): void
    /** Events of streams, and `connect`, `signal`, `error`. */
    on (event: string | symbol, listener: (...args: any[]) => void): this
    once (event: string | symbol, listener: (...args: any[]) => void): this
  }

  /** The events of a client. */
  export interface ClientEvents {
    /** A tracker answered an announce. */
    update: [data: UpdateData]
    /**
     * A peer: `192.0.2.1:6881`, `[2001:db8::1]:6881`, rarely `name:6881`; this peer itself is often among them. Or a
     * WebRTC peer, from a WebSocket tracker.
     */
    peer: [peer: string | WebRTCPeer]
    /** A tracker told the counts of a torrent. */
    scrape: [data: ScrapeData]
    /** Something went wrong with one request, or a tracker has a message for the user. The client goes on. */
    warning: [err: TrackerError]
    /** A scrape of a tracker that cannot be scraped: `ERR_TRACKER_SCRAPE_NOT_SUPPORTED`. */
    error: [err: TrackerError]
  }

  /**
   * A BitTorrent tracker over HTTP (BEP 3, 7, 23, 24, 48), UDP (BEP 15, 41) and WebSocket (WebTorrent), served by
   * threads of its own. Peers of all three are in the same swarms; those of WebSocket meet each other only.
   *
   * Only events that somebody listens to are produced. Those of announces cost a copy of the request each: without such
   * listeners a tracker is at its fastest.
   *
   * Methods from `getSwarm` on may be replaced, on an instance or in a subclass: what they stand for is then done in
   * JavaScript, and all the rest by the engine.
   */
  export class Server extends TypedEmitter<ServerEvents> {
    /** The class of swarms of all servers, to be extended and replaced. */
    static Swarm: SwarmConstructor

    /** @throws {TypeError} an option of the wrong type or out of its range; `code` is `ERR_TRACKER_INVALID_OPTION` */
    constructor (opts?: ServerOptions)

    /** {@link ServerOptions.interval}, in milliseconds. */
    readonly intervalMs: number
    /** {@link ServerOptions.peersCacheLength}; `Infinity` for no limit. */
    readonly peersCacheLength: number
    /** {@link ServerOptions.peersCacheTtl}, in milliseconds. */
    readonly peersCacheTtl: number
    /** From `listening` until `close`. */
    readonly listening: boolean
    /** Whether `close` was called. */
    readonly destroyed: boolean
    /**
     * Node's server, where HTTP and WebSocket listen; `null` if both are off. The engine listens for it until it has
     * handlers.
     */
    readonly http: HttpServer | null
    /** The same as `udp4`; `undefined` if UDP is off. */
    readonly udp: Listener | undefined
    /** Where UDP over IPv4 listens; `null` if it is off. */
    readonly udp4: Listener | null
    /** Where UDP over IPv6 listens; `null` if it is off. */
    readonly udp6: Listener | null
    /**
     * The server of npm's `ws`, on the port of `http` and with any path; `null` if it is off. The engine serves in its
     * place until it has handlers.
     */
    readonly ws: WebSocketServer | null
    /**
     * All swarms, by info hash in lower-case hexadecimal digits, as they are at the time of each look. `delete` drops
     * one. Listing the keys costs time and memory by the number of torrents.
     */
    readonly torrents: { [infoHash: string]: Swarm }

    /**
     * Starts listening. `listening` or `error` follows on a later tick. Without a host name all addresses of both
     * families are bound, or IPv4 alone on a machine without IPv6, which a `warning` says. A name or address binds the
     * families that it has.
     *
     * @param port 0 to 65535, by default 0: any free port, one for HTTP with WebSocket and another for UDP
     * @throws {Error} `server already listening`, by a second call
     * @throws {RangeError} a port out of range; `code` is `ERR_SOCKET_BAD_PORT`
     */
    listen (port?: Ports, hostname?: Hostnames, onlistening?: () => void): void
    listen (port: Ports, onlistening: () => void): void
    listen (onlistening: () => void): void

    /**
     * Stops listening. Answers under way have a second to finish; WebSocket connections are closed with the code 1001
     * and not waited for. No event comes any more.
     *
     * @param cb called when the ports are free. Gets an error with the code `ERR_SERVER_NOT_RUNNING` if HTTP or
     *   WebSocket is on and the server was not listening
     */
    close (cb?: (err: Error | null) => void): void

    /**
     * The swarm of a torrent, on the next tick; `undefined` if there is none.
     *
     * @param infoHash 40 hexadecimal digits, or 20 bytes
     */
    getSwarm (infoHash: string | Uint8Array, cb: (err: Error | null, swarm?: Swarm) => void): void

    /** The swarm of a torrent, on the next tick; a new one if there is none. */
    createSwarm (infoHash: string | Uint8Array, cb: (err: Error | null, swarm?: Swarm) => void): void

    /** Answers an HTTP request, whoever has received it: within Express and its like it is to be bound. */
    onHttpRequest (
      req: IncomingMessage, res: ServerResponse, opts?: HttpRequestOptions | ((...args: any[]) => unknown)
    ): void

    /** Handles a packet. The answer leaves from the tracker's own port. */
    onUdpRequest (msg: Buffer, rinfo: { address: string, port: number, family?: string, size?: number }): void

    /** Serves a WebSocket, or whatever is like one. */
    onWebSocketConnection (socket: SocketLike, opts?: { trustProxy?: boolean | undefined }): void

    /** Answers an announce or a scrape, whatever transport it came by. */
    _onRequest (params: RequestParams, cb: ResponseCallback): void
  }

  /** Whether an announce is allowed: `false` or an error refuses, anything else allows. */
  export type FilterVerdict = boolean | Error | null | undefined | void

  /**
   * Asked about every announce. Calls back with null, or with an error whose message the peer gets; or it has fewer
   * than three parameters and returns its verdict, or a promise of it.
   *
   * @param infoHash 40 lower-case hexadecimal digits
   */
  export type Filter = (
    this: Server, infoHash: string, params: AnnounceParams, cb: (err?: Error | null) => void
  ) => FilterVerdict | PromiseLike<FilterVerdict>

  /** Options of {@link Server.onHttpRequest}. */
  export interface HttpRequestOptions {
    /** What the request is, whatever its path. */
    action?: 'announce' | 'scrape' | undefined
    /** Whether `X-Forwarded-For` is believed; by default as the server's option has it. */
    trustProxy?: boolean | undefined
    [key: string]: unknown
  }

  /**
   * Options of a server. Of those that are counts, 0 and `Infinity` mean the default; times are milliseconds from 0 to
   * 2^31 - 1, counts whole numbers up to 2^32 - 1.
   */
  export interface ServerOptions {
    /** Asked about every announce; all are allowed by default. */
    filter?: Filter | null | undefined
    /**
     * Whether to serve HTTP; true by default. An object is true and has the options of Node's `http.createServer`, with
     * which Node serves it in place of the engine.
     */
    http?: boolean | HttpServerOptions | undefined
    /** Whether to serve UDP; true by default. An object is true and sets the kernel's buffers. */
    udp?: boolean | UdpOptions | undefined
    /**
     * Whether to serve WebSocket; true by default. An object is true and sets its limits. It uses the port of HTTP:
     * with `http: false` that port is opened too, and answers all other requests with 404.
     */
    ws?: boolean | WebSocketOptions | undefined
    /**
     * Whether to serve `/stats` and `/stats.json`; by default where HTTP or WebSocket is on. `true` opens the port of
     * HTTP for them alone.
     */
    stats?: boolean | undefined
    /**
     * Milliseconds that peers are asked to wait between announces; 600,000 by default, and for 0. WebSocket peers are
     * asked for a fifth of it, unless {@link WebSocketOptions.interval} is set.
     */
    interval?: number | undefined
    /** HTTP: milliseconds that peers have to wait at least, in whole seconds (`min interval`); not sent by default. */
    minInterval?: number | undefined
    /** HTTP: a text that peers send back with every announce (`tracker id`); none by default. */
    trackerId?: string | undefined
    /** HTTP: tells peers the address that they come from (BEP 24); false by default. */
    externalIp?: boolean | undefined
    /**
     * HTTP and WebSocket: whose `X-Forwarded-For` is believed; nobody's by default. A list has the proxies, addresses
     * and networks such as `10.0.0.0/8`: of connections from these, the right-most entry that is none of them is the
     * peer's address. `true` believes the first entry of any connection, which is right only behind a proxy that
     * replaces what clients send.
     */
    trustProxy?: boolean | readonly string[] | undefined
    /** UDP: believes the address in an announce (BEP 15), so that anyone can announce anybody; false by default. */
    trustUdpIp?: boolean | undefined
    /**
     * The most peers in an answer; 82 by default. An answer over UDP has at most 242 over IPv4 and 67 over IPv6, which
     * is what a packet holds, over HTTP 1000. WebSocket has {@link WebSocketOptions.maxOffers} in its place.
     */
    maxNumwant?: number | undefined
    /**
     * HTTP and WebSocket: whether a scrape without a hash lists all torrents. `true`, `false`, or up to how many there
     * are; 1000 by default.
     */
    fullScrape?: boolean | number | undefined
    /** The most peers of a torrent: then the one silent longest goes. No limit by default. */
    peersCacheLength?: number | undefined
    /** Milliseconds of silence after which a peer is gone; 1,200,000 by default, and for 0. */
    peersCacheTtl?: number | undefined
    /** Milliseconds that a torrent without peers is kept for its count of completions; 24 h by default. */
    completedTtl?: number | undefined
    /** The most torrents in all: then the least useful ones go. 10,000,000 by default. */
    maxTorrents?: number | undefined
    /** The most peers in all: then the least useful ones go. 20,000,000 by default, some 2.5 GB. */
    maxPeers?: number | undefined
    /**
     * UDP: milliseconds for which a connection id is good (BEP 15), in whole seconds and up to 60,000,000; 120,000 by
     * default.
     */
    connectionIdLifetime?: number | undefined
    /**
     * HTTP: the most connections at a time; further ones are closed. 20,000 by default. Those that have become
     * WebSocket connections do not count: see {@link WebSocketOptions.maxSockets}.
     */
    maxConnections?: number | undefined
    /** HTTP: milliseconds after which a connection without a finished request is closed; 60,000 by default. */
    idleTimeout?: number | undefined
    /** HTTP: what comes before `/announce` and `/scrape`, such as `/tracker`; nothing by default. */
    pathPrefix?: string | undefined
    /** Threads for each transport, 1 to 64. By default as many as the process has processors, at most 8. */
    threads?: number | undefined
    /** Uses the portable sockets on Linux too: one socket for each family, one packet at a time. False by default. */
    portable?: boolean | undefined
  }

  /** The kernel's buffers of a UDP socket. The system may grant less. */
  export interface UdpOptions {
    /** Bytes; 8 MiB by default. */
    recvBufferSize?: number | undefined
    /** Bytes; 4 MiB by default. */
    sendBufferSize?: number | undefined
  }

  /**
   * Limits and times of WebSocket connections, and options of `ws`'s `WebSocketServer`, with which `ws` serves in place
   * of the engine. Counts and times are as in {@link ServerOptions}.
   */
  export interface WebSocketOptions {
    /**
     * Milliseconds that peers are asked to wait between announces, in whole seconds rounded up; by default a fifth of
     * {@link ServerOptions.interval}, since a browser's offers live for 50 s only.
     */
    interval?: number | undefined
    /** Bytes of the longest message; a longer one closes the connection. 65,536 by default. */
    maxPayload?: number | undefined
    /** The most offers of an announce that are passed on; more are left out. 20 by default. */
    maxOffers?: number | undefined
    /**
     * The most torrents (pairs of info hash and peer id) that a connection can announce at a time; 20,000 by default.
     */
    maxInfoHashes?: number | undefined
    /** The most connections; further ones are refused with status 503. 100,000 by default. */
    maxSockets?: number | undefined
    /**
     * The most connections of an IPv4 address or an IPv6 /64; further ones are refused with status 429. 1000 by
     * default, and no limit for this machine's own loopback addresses, where a proxy may be.
     */
    maxSocketsPerIp?: number | undefined
    /** Bytes that may wait for a connection; one that reads more slowly is closed. 1,048,576 by default. */
    maxQueue?: number | undefined
    /** Milliseconds between pings; a connection that sent nothing since the last one is closed. 60,000 by default. */
    pingInterval?: number | undefined
    /**
     * Milliseconds without a message after which a connection is closed, whether it answers pings or not; by default
     * 600,000, or twice the interval if that is longer.
     */
    idleTimeout?: number | undefined
    /**
     * The `Origin`s whose pages may connect, such as `https://site.example`; others are refused with status 403. All by
     * default. Programs, which send no `Origin`, may always.
     */
    origins?: readonly string[] | undefined
    /** Leaves connections to the program, by `server.ws.handleUpgrade` or {@link Server.onWebSocketConnection}. */
    noServer?: boolean | undefined
    /** Of `ws`. */
    perMessageDeflate?: boolean | object | undefined
    /** Of `ws`. */
    clientTracking?: boolean | undefined
    /** Of `ws`. */
    skipUTF8Validation?: boolean | undefined
    /** Of `ws`. */
    verifyClient?: ((...args: any[]) => unknown) | undefined
    /** Of `ws`. */
    handleProtocols?: ((protocols: Set<string>, request: IncomingMessage) => string | false) | undefined
  }

  /** A port for all, or one for each transport. */
  export type Ports =
    | number
    | string
    | { http?: number | string | undefined, udp?: number | string | undefined }
    | null
    | undefined

  /** A host name or address for all, or one for HTTP (and WebSocket) and one for each family of UDP. */
  export type Hostnames =
    | string
    | { http?: string | undefined, udp?: string | undefined, udp6?: string | undefined }
    | null
    | undefined

  /** A listening socket, as far as an app has to know it. */
  export interface Listener {
    /** Where it is; `null` while it does not listen. */
    address (): Address | null
    /** Lets the process end although it listens. */
    unref (): this
    /** Takes `unref` back. */
    ref (): this
  }

  /** The server of npm's `ws`, as far as an app has to know it. `ref` and `unref` are those of `server.http`. */
  export interface WebSocketServer extends EventEmitter {
    /** Where it is, which is where HTTP is; `null` while it does not listen. Throws with `noServer`. */
    address (): Address | null
    /** The open connections; with the option `clientTracking` a set of those that `ws` serves. */
    readonly clients: { readonly size: number }
    /** Makes a WebSocket of an HTTP connection. */
    handleUpgrade (
      request: IncomingMessage, socket: Duplex, head: Buffer, cb: (client: WebSocket, request: IncomingMessage) => void
    ): void
    on (event: 'connection', listener: (socket: WebSocket, request: IncomingMessage) => void): this
    on (event: string | symbol, listener: (...args: any[]) => void): this
    once (event: 'connection', listener: (socket: WebSocket, request: IncomingMessage) => void): this
    once (event: string | symbol, listener: (...args: any[]) => void): this
  }

  /** A WebSocket of npm's `ws`, as far as an app has to know it. */
  export interface WebSocket extends EventEmitter {
    readonly readyState: number
    send (data: string | Uint8Array, cb?: (err?: Error) => void): void
    close (code?: number, reason?: string | Buffer): void
    terminate (): void
  }

  /** A peer's WebSocket connection. Once it is closed, nothing comes of the calls. */
  export interface PeerSocket {
    /** Sends a text message. */
    send (text: string, cb?: (err?: Error | null) => void): void
    /** Closes the connection with the code 1000, after what is queued. */
    close (): void
    /** What the peer has called itself first, in hexadecimal digits. */
    peerId?: string | null
    /** The torrents that it has announced, in hexadecimal digits. */
    infoHashes?: string[]
  }

  /**
   * What {@link Server.onWebSocketConnection} serves: something that emits `message`, `error` and `close`. Its address
   * is that of `upgradeReq` if it has one, else `ip` and `port`.
   */
  export interface SocketLike {
    send (text: string, cb?: (err?: Error) => void): void
    close? (): void
    on (event: string, listener: (...args: any[]) => void): unknown
    removeListener (event: string, listener: (...args: any[]) => void): unknown
    upgradeReq?: IncomingMessage | null
    ip?: string
    port?: number
    headers?: IncomingHttpHeaders
  }

  /** An address in the form of Node's sockets. */
  export interface Address {
    address: string
    family: 'IPv4' | 'IPv6'
    port: number
  }

  /** The peers of a torrent, as they are at the time of each look. */
  export interface Swarm {
    /** 40 lower-case hexadecimal digits. */
    readonly infoHash: string
    /** Seeders. */
    readonly complete: number
    /** Leechers. */
    readonly incomplete: number
    /** Its peers, by address or peer id. */
    readonly peers: SwarmPeers

    /** Takes an announce in, and answers it. Of a `stopped` the callback may be left out. */
    announce (params: SwarmAnnounceParams, cb?: (err: Error | null, response?: SwarmResponse) => void): void
    /** The counts. */
    scrape (params: object, cb: (err: Error | null, counts?: SwarmCounts) => void): void

    // What `announce` is made of, for subclasses. `id` is the key in `peers`, and `peer` the peer that has it already.

    _onAnnounceStarted (params: SwarmAnnounceParams, peer: SwarmPeer | undefined, id: string): void
    _onAnnounceStopped (params: SwarmAnnounceParams, peer: SwarmPeer | undefined, id: string): void
    _onAnnounceCompleted (params: SwarmAnnounceParams, peer: SwarmPeer | undefined, id: string): void
    _onAnnounceUpdate (params: SwarmAnnounceParams, peer: SwarmPeer | undefined, id: string): void
    _onAnnouncePaused (params: SwarmAnnounceParams, peer: SwarmPeer | undefined, id: string): void
    /** Peers for an answer: of WebSockets without the announcer, or those with an address. */
    _getPeers (numwant: number, ownPeerId: string, isWebRTC: boolean): SwarmPeer[]
  }

  /** The class {@link Server.Swarm}. */
  export interface SwarmConstructor {
    /**
     * @param infoHash 40 hexadecimal digits
     * @param server of anything that is no server, for a swarm that stands alone, two options are read
     */
    new (infoHash: string, server: Server | { peersCacheLength?: number, peersCacheTtl?: number }): Swarm
  }

  /** What a swarm reads of an announce. */
  export interface SwarmAnnounceParams {
    type?: 'http' | 'udp' | 'ws'
    event: 'update' | 'completed' | 'started' | 'stopped' | 'paused'
    /** 40 hexadecimal digits. */
    peer_id: string
    /** Peers wanted. */
    numwant?: number
    /** Bytes left. */
    left?: number
    /** Address and port. */
    addr?: string
    ip?: string
    port?: number
    socket?: PeerSocket
    [key: string]: unknown
  }

  /** A swarm's answer to an announce. Keys that are added reach peers over HTTP and WebSocket. */
  export interface SwarmResponse {
    complete: number
    incomplete: number
    peers: SwarmPeer[]
    [key: string]: unknown
  }

  /** The counts of a swarm. */
  export interface SwarmCounts {
    complete: number
    incomplete: number
    /** Completed downloads, ever; the seeders where a program's own swarm does not say. */
    downloaded?: number
  }

  /**
   * The peers of a swarm by address, `192.0.2.1:6881` or `[2001:db8::1]:6881`, and those of WebSocket by peer id, 40
   * lower-case hexadecimal digits. Of several connections that announce one peer id the newest is shown.
   */
  export interface SwarmPeers extends TypedEmitter<SwarmPeersEvents> {
    /** How many there are, each connection counted. */
    readonly length: number
    /** Their addresses and peer ids, in no order; costs time by the size of the swarm. */
    readonly keys: string[]
    /** The most there can be: {@link ServerOptions.peersCacheLength}. */
    readonly max: number
    /** {@link ServerOptions.peersCacheTtl}. */
    readonly maxAge: number
    /** A copy of the peer of this address or peer id; costs time by the size of the swarm. */
    get (key: string): SwarmPeer | undefined
    /** The same as `get`. */
    peek (key: string): SwarmPeer | undefined
    /** Adds a peer, or changes it. */
    set<Peer extends NewSwarmPeer> (key: string, peer: Peer): Peer
    /** Removes a peer, and returns it. */
    remove (key: string): SwarmPeer | undefined
    /** Removes all. */
    clear (): void
    /** Removes any one peer, as if there were no room. */
    evict (): void
  }

  /** The events of a swarm's peers. */
  export interface SwarmPeersEvents {
    /** A peer left without having said so: it was silent for too long, or had to make room. */
    evict: [evicted: { key: string, value: EvictedPeer }]
  }

  /** A peer that a program puts into a swarm: with a socket, or with an address. */
  export interface NewSwarmPeer {
    /** 40 hexadecimal digits. */
    peerId: string
    complete?: boolean
    ip?: string | undefined
    port?: number | undefined
    socket?: PeerSocket | null | undefined
  }

  /** A peer that is in its swarm no more. */
  export interface EvictedPeer {
    type: 'peer' | 'ws'
    complete: boolean
    peerId: string
    ip?: string
    port?: number
    socket: null
  }

  /** A peer of a swarm. */
  export type SwarmPeer = AddressPeer | WebSocketPeer

  /** A peer of HTTP or UDP: a swarm does not remember over which of them a peer announces. */
  export interface AddressPeer {
    type: 'peer'
    /** Whether it is a seeder. */
    complete: boolean
    /** 40 lower-case hexadecimal digits. */
    peerId: string
    ip: string
    port: number
    socket?: undefined
  }

  /** A peer of WebSocket. */
  export interface WebSocketPeer {
    type: 'ws'
    /** Whether it is a seeder. */
    complete: boolean
    /** 40 lower-case hexadecimal digits. */
    peerId: string
    /** The address of its connection; missing at the moment when that is being closed. */
    ip?: string
    /** The port of its connection, on which no peer listens; missing likewise. */
    port?: number
    /** Its connection. */
    socket?: PeerSocket
  }

  /** What {@link Server._onRequest} gets: a connect of UDP, an announce or a scrape. */
  export type RequestParams = ConnectParams | AnnounceParams | ScrapeParams

  /** A connect (BEP 15). */
  export interface ConnectParams {
    type: 'udp'
    action: 0
    connectionId: Buffer
    transactionId: number
  }

  /** A scrape. */
  export interface ScrapeParams {
    type: 'http' | 'udp' | 'ws'
    action: 2
    /** 40 lower-case hexadecimal digits each; missing for all torrents. */
    info_hash?: string | string[] | undefined
    [key: string]: unknown
  }

  /** Gets the answer to a request, or why there is none. */
  export type ResponseCallback = (err: Error | null, response?: TrackerResponse) => void

  /** The answer to a request: of an announce with counts, `interval` and `peers`, of a scrape with `files`. */
  export interface TrackerResponse {
    action?: 0 | 1 | 2
    complete?: number
    incomplete?: number
    /** Seconds between announces. */
    interval?: number
    /** In the form that the request wants: objects, dictionaries (BEP 3) or 6 bytes each (BEP 23). */
    peers?: SwarmPeer[] | object[] | Uint8Array
    /** 18 bytes each (BEP 7). */
    peers6?: Uint8Array
    /** By info hash, a character for each byte. */
    files?: { [infoHash: string]: SwarmCounts }
    flags?: { [name: string]: unknown }
    [key: string]: unknown
  }

  /** What the peer said in its announce. */
  export type AnnounceParams = HttpAnnounceParams | UdpAnnounceParams | WebSocketAnnounceParams

  /** An announce over HTTP: every key of the query, percent-decoded to Latin-1, and these. */
  export interface HttpAnnounceParams {
    type: 'http'
    action: 1
    /** 40 lower-case hexadecimal digits. */
    info_hash: string
    /** 40 lower-case hexadecimal digits. */
    peer_id: string
    /** The peer's port. */
    port: number
    /** Bytes left; `Infinity` if not said. */
    left: number
    /** Bytes, as sent. */
    uploaded?: string | string[]
    /** Bytes, as sent. */
    downloaded?: string | string[]
    /** Why it announces; `paused` is BEP 21's. */
    event: 'update' | 'completed' | 'started' | 'stopped' | 'paused'
    /** 1 for an answer in compact form (BEP 23). */
    compact: number
    /** Peers wanted; 50 if not said, at most 82. */
    numwant: number
    /** The peer's address, from the connection or, with `trustProxy`, from a header. */
    ip: string
    /** Address and port. */
    addr: string
    /** The same as `httpReq.headers`. */
    headers: IncomingHttpHeaders
    /** The request. Node's own where Node has received it; else the engine has, and there is no `httpRes`. */
    httpReq: HttpRequest | IncomingMessage
    /** The response, where Node has received the request. */
    httpRes?: ServerResponse
    [key: string]: unknown
  }

  /** What is known of an HTTP request that the engine has received. */
  export interface HttpRequest {
    method: string
    url: string
    headers: IncomingHttpHeaders
    socket: { remoteAddress: string, remotePort: number }
  }

  /** An announce over UDP (BEP 15), with the keys of the query in BEP 41's URL data. */
  export interface UdpAnnounceParams {
    type: 'udp'
    action: 1
    /** 8 bytes. */
    connectionId: Buffer
    transactionId: number
    /** 40 lower-case hexadecimal digits. */
    info_hash: string
    /** 40 lower-case hexadecimal digits. */
    peer_id: string
    /** Bytes, to the nearest number above 2^53. */
    downloaded: number
    /** Bytes, to the nearest number above 2^53; `Infinity` if the peer does not know. */
    left: number
    /** Bytes, to the nearest number above 2^53. */
    uploaded: number
    event: 'update' | 'completed' | 'started' | 'stopped' | 'paused'
    /** The peer's address, from the packet's source or, with `trustUdpIp`, from the packet. */
    ip: string
    /** A random number by which the peer can be known again. */
    key: number
    /** Peers wanted; 50 if not said, at most 82. */
    numwant: number
    /** The peer's port. */
    port: number
    /** Address and port. */
    addr: string
    compact: 1
    /** Path and query of the announce URL, if the peer sent them (BEP 41). */
    url?: string
    [key: string]: unknown
  }

  /** An announce over WebSocket, or an answer to an offer, which is one too: every key of the message, and these. */
  export interface WebSocketAnnounceParams {
    type: 'ws'
    action: 1
    /** 40 lower-case hexadecimal digits. */
    info_hash: string
    /** 40 lower-case hexadecimal digits. */
    peer_id: string
    /** Of an answer: whose offer it is for, in hexadecimal digits. */
    to_peer_id?: string
    /** Bytes left; `Infinity` if not said. */
    left: number
    /** Why it announces; `paused` is BEP 21's. */
    event: 'update' | 'completed' | 'started' | 'stopped' | 'paused'
    /** How many offers there are, at most `maxNumwant`; those passed on can be fewer. */
    numwant: number
    compact: -1
    /** The peer's address, from the connection or, with `trustProxy`, from a header. */
    ip: string
    /** The connection's port, on which no peer listens. */
    port: number
    /** Address and port. */
    addr: string
    /** Headers of the request that opened the connection. */
    headers: IncomingHttpHeaders
    /** The connection. */
    socket: PeerSocket
    /** WebRTC offers for other peers, as sent: session descriptions are not looked into. */
    offers?: Array<{ offer?: unknown, offer_id?: string, [key: string]: unknown }> | null
    /** A WebRTC answer, as sent. */
    answer?: unknown
    [key: string]: unknown
  }

  /** What `code` of a server's warnings can be; README.md says what each means. */
  export type ServerWarningCode =
    | 'ERR_TRACKER_ACCEPT'
    | 'ERR_TRACKER_BAD_REQUEST'
    | 'ERR_TRACKER_BUSY'
    | 'ERR_TRACKER_CONNECTION_ID'
    | 'ERR_TRACKER_FULL_SCRAPE'
    | 'ERR_TRACKER_NO_IPV6'
    | 'ERR_TRACKER_REFUSED'
    | 'ERR_TRACKER_SLOW_SOCKET'
    | 'ERR_TRACKER_TOO_MANY_INFO_HASHES'
    | 'ERR_TRACKER_UNKNOWN_OFFER'
    | 'ERR_TRACKER_WEBSOCKET'
    | 'ERR_TRACKER_WEBSOCKET_REFUSED'

  /** Bad input from the network, mostly, of which at most 100 come in a second; or an error that a filter gave. */
  export interface ServerWarning extends Error {
    /** Stable, for programs; the text is for people. Errors of the program's own have what it gave them. */
    code?: ServerWarningCode | (string & {})
    /** Address and port of who sent it. */
    from?: string
    /** How many warnings were left out before this one, there being too many. */
    leftOut?: number
  }

  /** A socket or a thread that failed, in the shape of Node's system errors, or `ERR_TRACKER_INTERNAL`. */
  export interface ServerError extends Error {
    /** `EADDRINUSE` and the like, or `ERR_TRACKER_INTERNAL`. */
    code: string
    errno?: number
    syscall?: string
    address?: string
    port?: number
  }

  /** The events of a server. Those of announces come in batches, and only of announces that were not refused. */
  export interface ServerEvents {
    /** All sockets listen. */
    listening: []
    /**
     * A peer announced `started`; `addr` is `192.0.2.1:6881` or `[2001:db8::1]:6881`, and over WebSocket the peer id in
     * 40 lower-case hexadecimal digits.
     */
    start: [addr: string, params: AnnounceParams]
    /** A peer announced `stopped`. */
    stop: [addr: string, params: AnnounceParams]
    /** A peer announced `completed`. */
    complete: [addr: string, params: AnnounceParams]
    /** A peer announced without an event. */
    update: [addr: string, params: AnnounceParams]
    /** A peer announced `paused` (BEP 21). */
    pause: [addr: string, params: AnnounceParams]
    /** Somebody sent something bad, or something is not as it should be. The server goes on. */
    warning: [err: ServerWarning]
    /** The server could not listen, or a part of it failed. */
    error: [err: ServerError]
  }
}
