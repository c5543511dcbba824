'use strict'

// What the kernel and a server leave as time for a tracker: programs that answer at once, with as many bytes as
// this tracker and without a look at what was asked.

const { once } = require('node:events')
const fs = require('node:fs')
const path = require('node:path')
const readline = require('node:readline')
const { PEERS } = require('../peers')
const { freeUdpPort, freeTcpPort, answersTcp } = require('../ports')

/** Datagrams in batches (recvmmsg, sendmmsg), from bench/load. */
function udpFloor (load) {
  return {
    key: 'floor',
    name: 'floor: recvmmsg, sendmmsg',
    command: async ({ bytes }) => {
      const port = await freeUdpPort()
      return {
        command: load,
        args: ['floor', `port=${port}`, `bytes=${Math.round(bytes)}`],
        ready: async child => {
          // Its one line, which says that it is ready.
          await once(readline.createInterface({ input: child.stdout }), 'line')
          return { udp: port }
        }
      }
    }
  }
}

/** nginx with one process and a constant body. */
function nginx (file) {
  return {
    key: 'nginx',
    name: 'floor: nginx, constant body',
    command: async ({ bytes }) => {
      const port = await freeTcpPort()
      const folder = path.join(PEERS, 'nginx')
      fs.mkdirSync(folder, { recursive: true })
      const config = path.join(folder, 'nginx.conf')
      fs.writeFileSync(config, nginxConfig(port, folder, 'x'.repeat(Math.round(bytes))))
      return {
        command: file,
        args: ['-p', folder, '-c', config, '-e', 'stderr'],
        ready: () => answersTcp(port).then(() => ({ http: port }))
      }
    }
  }
}

// Without a master process: the one whose time is read is the one that answers.
function nginxConfig (port, folder, body) {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(name => `${name}_temp_path ${folder}/${name};`).join('\n      ')
  return `
    daemon off;
    master_process off;
    worker_processes 1;
    pid ${folder}/nginx.pid;
    error_log stderr error;
    events { worker_connections 1024; }
    http {
      ${temporary}
      access_log off;
      server_tokens off;
      tcp_nodelay on;
      keepalive_requests 1000000000;
      default_type text/plain;
      server {
        listen 127.0.0.1:${port};
        location / { return 200 "${body}"; }
      }
    }
  `
}

module.exports = { udpFloor, nginx }
