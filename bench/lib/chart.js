'use strict'

// The chart in the READMEs: a panel for each transport, a bar for each contender, as long as what it answers in a
// second of its processor time.

const { whole } = require('./report')

/** Which rows are drawn, and as what. `kind` decides the colour. */
const PANELS = [
  {
    part: 'udp',
    title: 'UDP announces answered per second of CPU time',
    bars: [
      ['ours', 'this tracker', 'ours'],
      ['listeners', 'with listeners on every event', 'ours'],
      ['filter', 'with a filter in JavaScript', 'ours'],
      ['aquatic_udp', 'aquatic_udp, io_uring', 'other'],
      ['original', 'bittorrent-tracker', 'other'],
      ['floor', 'no tracker: recvmmsg, sendmmsg', 'floor']
    ]
  },
  {
    part: 'http',
    title: 'HTTP announces answered per second of CPU time',
    bars: [
      ['ours', 'this tracker', 'ours'],
      ['aquatic_http', 'aquatic_http', 'other'],
      ['both cores', 'aquatic_http, on both cores', 'other'],
      ['stats off', 'bittorrent-tracker, stats off', 'other'],
      ['original', 'bittorrent-tracker', 'other'],
      ['nginx', 'no tracker: nginx, constant body', 'floor']
    ]
  },
  {
    part: 'ws',
    title: 'WebSocket messages delivered per second of CPU time',
    bars: [
      ['ours', 'this tracker', 'ours'],
      ['aquatic_ws', 'aquatic_ws', 'other'],
      ['original', 'bittorrent-tracker', 'other']
    ]
  }
]

// Sizes in pixels. Values stand right of the bars.
const WIDTH = 760
const LABELS = 230
const VALUES = 80
const LINE = 22
const BAR = 14
const TITLE = 30
const GAP = 14

// The colours hold on white and on the dark background of a code host; `prefers-color-scheme` is the reader's choice.
const STYLE = `
    text { font: 13px system-ui, sans-serif; fill: #24292f }
    .title { font-weight: 600 }
    .ours { fill: #1f77b4 } .other { fill: #9a6700 } .floor { fill: #8c959f }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      .ours { fill: #58a6ff } .other { fill: #d29922 } .floor { fill: #6e7681 }
    }`

/** The SVG of the parts that were measured. */
function chart (parts) {
  const lines = []
  let y = 0
  for (const { part, title, bars } of PANELS) {
    if (!parts[part]) continue
    const shown = bars.flatMap(([key, label, kind]) => {
      const row = parts[part].rows.find(row => row.key === key)
      return row ? [{ label, kind, value: 1e6 / row.cpu.median }] : []
    })
    y += TITLE
    lines.push(`<text class="title" x="0" y="${y - 10}">${title}</text>`)
    const most = Math.max(...shown.map(({ value }) => value))
    for (const { label, kind, value } of shown) {
      const width = Math.max(1, Math.round((WIDTH - LABELS - VALUES) * value / most))
      const base = y + BAR - 3
      lines.push(
        `<text x="${LABELS - 8}" y="${base}" text-anchor="end">${label}</text>`,
        `<rect class="${kind}" x="${LABELS}" y="${y}" width="${width}" height="${BAR}" rx="2"/>`,
        `<text x="${LABELS + width + 6}" y="${base}">${whole(value)}</text>`
      )
      y += LINE
    }
    y += GAP
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img">
  <title>What each tracker answers in a second of its processor time</title>
  <style>${STYLE}
  </style>
  ${lines.join('\n  ')}
</svg>
`
}

module.exports = { chart }
