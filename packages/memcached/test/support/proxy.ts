/** A TCP proxy that can be told to misbehave, in the middle of connections. */
import { connect, createServer, type Socket } from "node:net"
import { Effect } from "effect"

export interface Faults {
  /** Milliseconds each chunk is held. */
  delay: number
  /** Swallow everything and keep the connections. */
  swallow: boolean
  /** Reset the connection after so many bytes of answers. */
  resetAfter: number
  /** Change every byte of this kind of answers. */
  damage: ((chunk: Buffer) => Buffer) | undefined
  /** Hand on one byte at a time. */
  slice: boolean
}

export const well = (): Faults => ({ delay: 0, swallow: false, resetAfter: Infinity, damage: undefined, slice: false })

export interface Proxy {
  readonly port: number
  readonly faults: Faults
  /** Connections made so far. */
  readonly count: () => number
  readonly resetAll: Effect.Effect<void>
}

/** Hands on in order, each chunk when its time has come. */
const relay = (from: Socket, to: Socket, faults: Faults, isAnswer: boolean) => {
  let passed = 0
  let last = Promise.resolve()
  from.on("data", (chunk: Buffer) => {
    const { damage, delay, slice, swallow } = faults
    if (swallow) return
    passed += chunk.length
    if (isAnswer && passed > faults.resetAfter) {
      from.destroy()
      to.write(chunk.subarray(0, Math.max(1, chunk.length >> 1)))
      to.resetAndDestroy()
      return
    }
    const data = isAnswer && damage !== undefined ? damage(chunk) : chunk
    const send = () => {
      if (to.destroyed) return
      if (!slice) to.write(data)
      else for (let index = 0; index < data.length; index++) to.write(data.subarray(index, index + 1))
    }
    if (delay === 0) last = last.then(send)
    else last = Promise.all([last, new Promise((resolve) => setTimeout(resolve, delay))]).then(send)
  })
}

export const make = (target: number) =>
  Effect.acquireRelease(
    Effect.async<Proxy & { readonly close: () => void }>((resume) => {
      const faults = well()
      const sockets = new Set<Socket>()
      let count = 0
      const server = createServer((near) => {
        count++
        const far = connect(target, "127.0.0.1")
        for (const socket of [near, far]) {
          sockets.add(socket)
          socket.setNoDelay(true)
          socket.on("error", () => {})
        }
        near.on("close", () => {
          sockets.delete(near)
          far.destroy()
        })
        far.on("close", () => {
          sockets.delete(far)
          near.destroy()
        })
        relay(near, far, faults, false)
        relay(far, near, faults, true)
      })
      const drop = () => {
        for (const socket of sockets) socket.resetAndDestroy()
      }
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const close = () => {
          drop()
          server.close()
        }
        resume(Effect.succeed({ port, faults, count: () => count, resetAll: Effect.sync(drop), close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )
