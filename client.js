'use strict'

// Without the server and what it loads.
module.exports = require('./lib/client')
