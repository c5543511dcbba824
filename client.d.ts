import { Client } from './index.js'

export = Client
