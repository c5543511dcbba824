'use strict'

// Runs the load tool in bench/load, which says when its measurement begins and ends.

const readline = require('node:readline')
const { start } = require('./children')
const { onCore, cpuTime, residentMemory } = require('./cores')

/** What the tool prints at the begin and at the end, `{ begin, end }`, and what both processes had used by then. */
async function run (tool, mode, numbers, tracker, core) {
  const settings = Object.entries({ port: tracker.http, ...numbers }).map(([key, number]) => `${key}=${number}`)
  // Node has raised the limit of open files as far as it may, and the child inherits that.
  const child = start(...onCore(core, tool, [mode, ...settings]), { limit: ((numbers.seconds ?? 0) + 120) * 1000 })
  try {
    return await new Promise((resolve, reject) => {
      const stages = {}
      readline.createInterface({ input: child.stdout }).on('line', line => {
        const { at, ...counts } = JSON.parse(line)
        stages[at] = {
          ...counts, cpu: cpuTime(tracker.pid), loadCpu: cpuTime(child.pid), memory: residentMemory(tracker.pid)
        }
        if (at === 'end') resolve(stages)
      })
      child.ended.then(how => reject(new Error(`the load tool ${how}`)))
    })
  } finally {
    child.kill('SIGKILL')
    const how = await child.ended
    if (/: ./.test(how)) console.error(`  load tool: ${how}`)
  }
}

module.exports = { run }
