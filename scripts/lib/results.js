'use strict'

// Reads the output of a test program line by line and keeps count. Each reader has
// `line(text, stream)` and `finish(failure)`, which returns the counts.

/** Counts, skips as `{ name, reason }`, and what there is to say about failures as text. */
function emptyResult () {
  return { passed: 0, failed: 0, skipped: [] }
}

/** A step that passes or fails as a whole: a lint, a type check. Its output is shown when it fails. */
class WholeReader {
  #lines = []

  line (text) {
    this.#lines.push(text)
  }

  finish (failure) {
    const result = emptyResult()
    if (failure) {
      result.failed = 1
      result.details = [...this.#lines.slice(-300), failure].join('\n')
    } else {
      result.passed = 1
    }
    return result
  }
}

/** `cargo test`, any number of test programs in a row. */
class CargoReader {
  #result = emptyResult()
  #inFailures = false
  #stderr = []
  #print

  constructor (print) {
    this.#print = print
  }

  line (text, stream) {
    if (stream === 'stderr') {
      this.#stderr.push(text)
      return
    }
    const summary = /^test result: \w+\. (\d+) passed; (\d+) failed;/.exec(text)
    const ignored = /^test (.+) \.\.\. ignored(?:, (.*))?$/.exec(text)
    if (summary) {
      this.#result.passed += Number(summary[1])
      this.#result.failed += Number(summary[2])
      this.#inFailures = false
    } else if (ignored) {
      this.#result.skipped.push({ name: ignored[1], reason: ignored[2] ?? 'ignored' })
    } else if (text === 'failures:') {
      this.#inFailures = true
    } else if (this.#inFailures && text !== '') {
      this.#print(text)
    }
  }

  finish (failure) {
    // It does not compile, or a test program crashed or hung: then no summary tells.
    const crashes = this.#stderr.filter(line => /process didn't exit successfully.*\(signal/.test(line)).length
    const isExplained = this.#result.failed > 0 && crashes === 0 && /exited with code 101$/.test(failure)
    if (failure && !isExplained) {
      this.#result.failed += Math.max(crashes, 1)
      const firstError = this.#stderr.findIndex(line => /^(error|warning)/.test(line))
      this.#result.details = [...this.#stderr.slice(Math.max(firstError, this.#stderr.length - 300, 0)), failure].join('\n')
    }
    return this.#result
  }
}

/** `node --test` with the reporter beside this file. */
class NodeReader {
  #result = emptyResult()
  #other = []
  #print

  constructor (print) {
    this.#print = print
  }

  line (text, stream) {
    const record = stream === 'stdout' ? parseRecord(text) : null
    if (record === null) {
      this.#other.push(text)
    } else if (record.kind === 'pass') {
      this.#result.passed++
    } else if (record.kind === 'skip') {
      this.#result.skipped.push({ name: `${record.file}: ${record.name}`, reason: record.reason })
    } else {
      this.#result.failed++
      const where = record.line ? `${record.file}:${record.line}` : record.file
      this.#print(`✖ ${record.name} (${where})\n${record.error}`)
      if (record.output) this.#print(`output of ${record.file} so far:\n${record.output}`)
    }
  }

  finish (failure) {
    const { passed, failed, skipped } = this.#result
    const isExplained = failed > 0 && /exited with code 1$/.test(failure)
    if ((failure && !isExplained) || passed + failed + skipped.length === 0) {
      this.#result.failed++
      this.#result.details = [...this.#other.slice(-300), failure ?? 'no test ran'].join('\n')
    }
    return this.#result
  }
}

function parseRecord (text) {
  try {
    const record = JSON.parse(text)
    return typeof record?.kind === 'string' ? record : null
  } catch {
    return null
  }
}

module.exports = { WholeReader, CargoReader, NodeReader }
