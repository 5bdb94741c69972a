/**
 * The connection to one Memcached server, as the store needs it: a small port, and memjs behind it.
 */
import { Server } from "memjs"
import * as Protocol from "./internal/protocol.ts"
import { retryDelay } from "./internal/retryDelay.ts"

export interface Item {
  readonly value: Buffer
  /** Changes with every write of the item (CAS). */
  readonly version: Buffer
}

export interface MemcachedConnection {
  /** Host and port, for errors and reports. */
  readonly server: string
  /** As many answers as keys, in their order, in one round trip. All commands reject when there is no connection; none waits for one. */
  readonly getMany: (keys: ReadonlyArray<string>) => Promise<ReadonlyArray<Item | undefined>>
  /**
   * Writes an item, and answers its new version: `undefined` when it was not
   * written, as `add` does not over another, `set` not over another version than
   * the one given, and none that is too large.
   */
  readonly store: (
    mode: "set" | "add",
    key: string,
    value: Uint8Array,
    options: {
      /** Seconds, or from 30 days on the epoch second; zero for ever. */
      readonly expires: number
      readonly version?: Buffer | undefined
    }
  ) => Promise<Buffer | undefined>
  /** Removes an item, if it has this version when one is given. */
  readonly remove: (key: string, version?: Buffer) => Promise<void>
  /** The new count, or `undefined` where none is. */
  readonly increment: (key: string, by: number) => Promise<number | undefined>
  /** Drops the connection and makes a new one. */
  readonly reset: () => void
  readonly close: () => void
}

export interface ConnectOptions {
  readonly host: string
  readonly port: number
  readonly username?: string | undefined
  readonly password?: string | undefined
}

/** Deadlines are the store's: memjs must not end a connection on its own terms. */
const never = 24 * 60 * 60
const connectSeconds = 2

interface Answer {
  readonly status: number
  readonly version: Buffer
  readonly value: Buffer
}

/**
 * Connects by memjs, and again whenever the connection is lost. `ready`
 * settles with the first attempt, whatever it comes to.
 */
export const connect = (
  options: ConnectOptions
): { readonly connection: MemcachedConnection; readonly ready: Promise<void> } => {
  const server = `${options.host}:${options.port}`
  let current: Server | undefined
  let isConnected = false
  let isClosed = false
  let attempts = 0
  let retry: NodeJS.Timeout | undefined
  let opaque = 0
  let waiting = new Map<number, (error: Error) => void>()
  let settleReady: () => void = () => {}
  const ready = new Promise<void>((resolve) => {
    settleReady = resolve
  })

  const open = () => {
    // A new one each time: what a broken connection has left in the old one's buffer is no beginning of an answer.
    const opened = new Server(options.host, options.port, options.username, options.password, {
      timeout: never,
      conntimeout: connectSeconds,
      keepAlive: true
    })
    current = opened
    const lose = (cause: unknown) => {
      if (current !== opened) return
      current = undefined
      isConnected = false
      settleReady()
      const rejected = waiting
      waiting = new Map()
      for (const reject of rejected.values()) reject(new Error(`Lost the connection to ${server}.`, { cause }))
      if (!isClosed) {
        retry = setTimeout(open, retryDelay(attempts++))
        retry.unref()
      }
    }
    // Number 0 is nobody's request: it hears of errors as long as the connection lasts.
    opened.onError(0, lose)
    opened.sock(false, (socket) => {
      isConnected = true
      attempts = 0
      socket.on("close", lose)
      settleReady()
    })
  }

  const ask = (requests: ReadonlyArray<Protocol.Request>): Promise<ReadonlyArray<Answer>> => {
    const to = current
    if (to === undefined || !isConnected) return Promise.reject(new Error(`Not connected to ${server}.`))
    const answers = requests.map(() => {
      opaque = opaque >= 0xffffffff ? 1 : opaque + 1
      const number = opaque
      return {
        number,
        promise: new Promise<Answer>((resolve, reject) => {
          waiting.set(number, reject)
          to.onResponse(number, ({ header, val }) => {
            waiting.delete(number)
            resolve({ status: header.status, version: header.cas, value: val })
          })
        })
      }
    })
    const messages = requests.map((request, index) => Protocol.encode(request, answers[index]?.number ?? 0))
    to.write(messages.length === 1 && messages[0] !== undefined ? messages[0] : Buffer.concat(messages))
    return Promise.all(answers.map(({ promise }) => promise))
  }

  const askOne = async (request: Protocol.Request): Promise<Answer> => {
    const [answer] = await ask([request])
    if (answer === undefined) throw new Error(`${server} gave no answer.`)
    return answer
  }

  const { Opcode, Status } = Protocol
  const refused = (status: number, accepted: ReadonlyArray<number>): void => {
    if (!accepted.includes(status)) throw new Error(`${server} answered with status 0x${status.toString(16)}.`)
  }

  const drop = (cause: Error) => current?.error(cause)

  open()
  const connection: MemcachedConnection = {
    server,
    getMany: async (keys) => {
      const answers = await ask(keys.map((key) => ({ opcode: Opcode.get, key })))
      return answers.map(({ status, value, version }) => {
        refused(status, [Status.ok, Status.notFound])
        return status === Status.ok ? { value, version } : undefined
      })
    },
    store: async (mode, key, value, { expires, version }) => {
      const extras = Protocol.storeExtras(expires)
      const answer = await askOne({ opcode: Opcode[mode], key, extras, value, version })
      refused(answer.status, [Status.ok, Status.notFound, Status.exists, Status.notStored, Status.tooLarge])
      return answer.status === Status.ok ? answer.version : undefined
    },
    remove: async (key, version) => {
      const answer = await askOne({ opcode: Opcode.remove, key, version })
      refused(answer.status, [Status.ok, Status.notFound, Status.exists])
    },
    increment: async (key, by) => {
      const answer = await askOne({ opcode: Opcode.increment, key, extras: Protocol.incrementExtras(by) })
      refused(answer.status, [Status.ok, Status.notFound])
      return answer.status === Status.ok ? Number(answer.value.readBigUInt64BE(0)) : undefined
    },
    reset: () => drop(new Error("Dropped, as it did not answer.")),
    close: () => {
      isClosed = true
      clearTimeout(retry)
      drop(new Error("Closed."))
    }
  }
  return { connection, ready }
}
