'use strict'

// A node:test reporter for the test runner: one JSON object per finished test and line.

const path = require('node:path')
const { inspect } = require('node:util')

const SUMMARY = /^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /

module.exports = async function * reporter (events) {
  const names = new Map()
  const output = new Map()
  for await (const { type, data } of events) {
    const file = data.file ? path.relative(process.cwd(), data.file) : ''
    if (type === 'test:start') {
      names.set(file, [...above(names, file, data), data.name])
    } else if (['test:stdout', 'test:stderr', 'test:diagnostic'].includes(type)) {
      // Diagnostics tell of errors thrown after the test that made them.
      if (!SUMMARY.test(data.message)) output.set(file, (output.get(file) ?? '') + data.message.trimEnd() + '\n')
    } else if (type === 'test:pass' || type === 'test:fail') {
      const record = recordOf(type, data, file)
      if (record === null) continue
      record.name = [...above(names, file, data), record.name].join(' > ')
      if (record.kind === 'fail') {
        record.output = (output.get(file) ?? '') + (output.get('') ?? '')
        // Once is enough, however many tests of the file fail. Diagnostics come without a file.
        output.delete(file)
        output.delete('')
      }
      yield JSON.stringify(record) + '\n'
    }
  }
}

/** The names of the tests and suites around this one. */
function above (names, file, { nesting }) {
  return (names.get(file) ?? []).slice(0, nesting)
}

/** What to report of a finished test, or `null` for one that is only the sum of others. */
function recordOf (type, data, file) {
  const { details, skip, todo, line } = data
  const isFile = path.isAbsolute(data.name) && path.relative(process.cwd(), data.name) === file
  const record = { name: isFile ? file : data.name, file, line: isFile ? undefined : line }
  if (skip !== undefined || todo !== undefined) {
    return { ...record, kind: 'skip', reason: reasonOf(data) }
  }
  if (type === 'test:fail') {
    if (details.error?.failureType === 'subtestsFailed') return null
    return { ...record, kind: 'fail', error: describe(details.error) }
  }
  if (isFile) return { ...record, kind: 'fail', error: 'no test ran in this file' }
  return details.type === 'suite' ? null : { ...record, kind: 'pass' }
}

function reasonOf ({ skip, todo }) {
  if (typeof skip === 'string' && skip) return skip
  if (todo !== undefined) return typeof todo === 'string' && todo ? `todo: ${todo}` : 'todo'
  return 'no reason given'
}

/** The error that the test threw, rather than the runner's wrapper around it. */
function describe (error) {
  const cause = error?.cause ?? error
  return typeof cause === 'string' ? cause : inspect(cause, { depth: 4 })
}
