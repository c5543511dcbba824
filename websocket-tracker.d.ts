import { EventEmitter } from 'node:events'
import { Client } from './index.js'

export = WebSocketTracker

/**
 * A WebTorrent tracker, for programs that announce without a `Client`. Events (`update`, `peer`, `scrape`, `warning`)
 * are emitted on the parent. The socket is opened by the first announce or scrape, shared with all others of the
 * process that use the same tracker, and made again when it is lost; an open one keeps the process alive.
 */
declare class WebSocketTracker extends EventEmitter {
  constructor (client: WebSocketTracker.Parent | Client, announceUrl: string)

  readonly client: WebSocketTracker.Parent | Client
  readonly announceUrl: string
  readonly destroyed: boolean
  /** The timer of regular announces. */
  readonly interval: NodeJS.Timeout | null
  /** The socket, as far as a program may know it; `null` after `destroy`. */
  readonly socket: WebSocketTracker.SocketView | null
  /** Peers that wait for an answer to their offer, by the offer's id in hexadecimal digits. */
  readonly peers: { [offerId: string]: Client.WebRTCPeer }
  /** Whether the connection is lost, or could not be made, and another attempt will follow. */
  readonly reconnecting: boolean
  /** Attempts that failed since the last that did not. */
  readonly retries: number

  /**
   * Announces: at once if the socket is open, when it opens if that is under way. While it waits to connect again
   * nothing is sent, for there is an announce then in any case.
   */
  announce (opts?: Client.AnnounceOptions & { event?: string }): void
  /** Scrapes the parent's torrent or others. */
  scrape (opts?: Client.ScrapeOptions): void

  /**
   * Sets the time between regular announces. The next answer of the tracker sets it anew.
   *
   * @param intervalMs milliseconds up to 2^31 - 1; 0 for never; 30 seconds if left out
   */
  setInterval (intervalMs?: number): void

  /** Ends it. What was sent before, such as a `stopped`, still goes out; it has 1000 ms. */
  destroy (cb?: (err: null) => void): void

  /** Makes offers. A program may replace it; what it gives is sent as JSON, whatever it is. */
  _generateOffers (numwant: number, cb: (offers: unknown[]) => void): void

  /** The sockets that trackers of this thread use, by announce URL. */
  static readonly _socketPool: { readonly [announceUrl: string]: WebSocketTracker.SocketView }
}

declare namespace WebSocketTracker {
  /** What a tracker needs of its parent; a `Client` has it. */
  export interface Parent {
    /** 40 hexadecimal digits. */
    infoHash: string
    /** 20 characters, one for each byte. */
    _infoHashBinary: string
    /** 20 characters, one for each byte. */
    _peerIdBinary: string
    _rtcConfig?: Client.ClientOptions['rtcConfig']
    _wrtc?: unknown
    /** What is announced regularly and after a new connection. */
    _defaultAnnounceOpts (): Client.AnnounceOptions
    emit (event: string, ...args: any[]): unknown
  }

  /** A socket that trackers share. */
  export interface SocketView {
    readonly url: string
    readonly connected: boolean
    /** How many trackers of this thread use it. */
    readonly consumers: number
  }
}
