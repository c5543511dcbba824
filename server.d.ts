import { Server } from './index.js'

export = Server
