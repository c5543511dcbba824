'use strict'

const util = require('node:util')

/** An error of ours: a message and a stable `ERR_TRACKER_...` code. */
exports.trackerError = function trackerError (message, code, details) {
  return Object.assign(new Error(message), { code }, details)
}

/**
 * An operating-system error in Node's shape: `code`, `errno`, `syscall`, and where it has one,
 * `address` and `port`.
 *
 * @param {{ code: string, syscall?: string, address?: string, port?: number, message: string }} record
 */
exports.systemError = function systemError ({ code, syscall, address, port, message }) {
  const [errno, description] = systemErrors().get(code) ?? []
  const where = address === undefined ? '' : ` ${address}${port === undefined ? '' : `:${port}`}`
  const text = `${syscall ?? ''} ${code}: ${description ?? message}${where}`.trim()
  const error = Object.assign(new Error(text), { code, errno })
  if (syscall !== undefined) error.syscall = syscall
  if (address !== undefined) error.address = address
  if (port !== undefined) error.port = port
  return error
}

let byCode

// libuv's numbers, which are what `errno` holds on every system, by name.
function systemErrors () {
  byCode ??= new Map(Array.from(util.getSystemErrorMap(), ([errno, [code, text]]) => [code, [errno, text]]))
  return byCode
}

/**
 * A failed request's error. Below it, where the network is at fault, a `cause` in Node's shape; with
 * a tracker's refusal, `retryIn`: minutes, or Infinity for never (BEP 31).
 */
exports.clientError = function clientError ({ message, code, cause, retryIn }) {
  const error = new Error(message, cause === undefined ? undefined : { cause: causeError(cause) })
  error.code = code
  if (retryIn !== undefined) error.retryIn = retryIn < 0 ? Infinity : retryIn
  return error
}

function causeError ({ message, ...details }) {
  return Object.assign(new Error(message), details)
}
