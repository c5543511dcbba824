module.exports = class Client {}
