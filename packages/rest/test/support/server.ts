/** Real servers on loopback, closed with their scope. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net"
import { Effect, type Scope } from "effect"

export interface Loopback {
  readonly url: string
  readonly origin: string
  /** Requests as `METHOD path`, in order. */
  readonly calls: Array<string>
  /** Connections open now. */
  readonly open: () => number
}

const listen = (
  server: ReturnType<typeof createTcpServer>,
  calls: Array<string>
): Effect.Effect<Loopback, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<{ readonly loopback: Loopback; readonly sockets: Set<Socket> }>((resume) => {
      const sockets = new Set<Socket>()
      server.on("connection", (socket: Socket) => {
        sockets.add(socket)
        socket.on("close", () => sockets.delete(socket))
        socket.on("error", () => {})
      })
      server.listen(0, "127.0.0.1", () => {
        const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
        resume(Effect.succeed({ loopback: { url: `${origin}/`, origin, calls, open: () => sockets.size }, sockets }))
      })
    }),
    ({ sockets }) =>
      Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
        server.close()
      })
  ).pipe(Effect.map(({ loopback }) => loopback))

/** An HTTP server. */
export const http = (answer: (request: IncomingMessage, response: ServerResponse) => void) =>
  Effect.suspend(() => {
    const calls: Array<string> = []
    return listen(
      createServer((request, response) => {
        calls.push(`${request.method} ${request.url}`)
        answer(request, response)
      }),
      calls
    )
  })

/** A server that writes whatever bytes it likes once a request has begun. */
export const raw = (answer: (socket: Socket) => void) =>
  Effect.suspend(() => {
    const calls: Array<string> = []
    return listen(
      createTcpServer((socket) => {
        socket.once("data", (data) => {
          calls.push(data.toString("latin1").split("\r\n", 1)[0] ?? "")
          answer(socket)
        })
      }),
      calls
    )
  })

/** A server that is told of every request on a connection, not only of its first, and writes what it likes. */
export const conversing = (answer: (socket: Socket, request: string) => void) =>
  Effect.suspend(() => {
    const calls: Array<string> = []
    return listen(
      createTcpServer((socket) => {
        socket.on("data", (data) => {
          const request = data.toString("latin1")
          // Bodies are short, and come with their head or alone.
          if (!/^[A-Z]+ \//.test(request)) return
          calls.push(request.split("\r\n", 1)[0] ?? "")
          answer(socket, request)
        })
      }),
      calls
    )
  })

/** Waits, in real time, until something is so. */
export const eventually = (condition: () => boolean) =>
  Effect.iterate(0, {
    while: (tries) => !condition() && tries < 400,
    body: (tries) => Effect.delay(Effect.succeed(tries + 1), 5)
  })
