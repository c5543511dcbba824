'use strict'

// A node:test reporter for the test runner: one JSON object per finished test and line.

const path = require('node:path')
const { inspect } = require('node:util')

module.exports = async function * reporter (events) {
  const names = new Map()
  const output = new Map()
  for await (const { type, data } of events) {
    const file = data.file ? path.relative(process.cwd(), data.file) : ''
    if (type === 'test:start') {
      const open = (names.get(file) ?? []).slice(0, data.nesting)
      names.set(file, [...open, data.name])
    } else if (type === 'test:stdout' || type === 'test:stderr') {
      output.set(file, (output.get(file) ?? '') + data.message)
    } else if (type === 'test:pass' || type === 'test:fail') {
      const above = (names.get(file) ?? []).slice(0, data.nesting)
      const failed = type === 'test:fail' && data.todo === undefined
      const record = { kind: kindOf(data, failed), name: [...above, data.name].join(' > '), file, line: data.line }
      if (record.kind === 'skip') record.reason = reasonOf(data)
      if (failed) {
        record.error = describe(data.details.error)
        record.output = output.get(file)
        // Once is enough, however many tests of the file fail.
        output.delete(file)
      }
      // A suite is only the sum of its tests, unless it fails by itself, in a hook.
      const isSum = data.details.type === 'suite' || data.details.error?.failureType === 'subtestsFailed'
      if (!isSum || isOwnFailure(data, failed)) yield JSON.stringify(record) + '\n'
    }
  }
}

function kindOf (data, failed) {
  if (failed) return 'fail'
  return data.skip !== undefined || data.todo !== undefined ? 'skip' : 'pass'
}

function isOwnFailure (data, failed) {
  return failed && data.details.error?.failureType !== 'subtestsFailed'
}

function reasonOf ({ skip, todo }) {
  if (typeof skip === 'string' && skip) return skip
  if (todo !== undefined) return typeof todo === 'string' && todo ? `todo: ${todo}` : 'todo'
  return 'no reason given'
}

/** The error that the test threw, rather than the runner's wrapper around it. */
function describe (error) {
  const cause = error?.cause ?? error
  if (cause instanceof Error) return inspect(cause, { depth: 4 })
  return typeof cause === 'string' ? cause : inspect(cause)
}
