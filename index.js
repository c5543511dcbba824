'use strict'

const Client = require('./lib/client')
const Server = require('./lib/server')

// Literal lines: they are what Node's lexer finds names for `import Client, { Server }` by.
module.exports = Client
module.exports.Client = Client
module.exports.Server = Server
