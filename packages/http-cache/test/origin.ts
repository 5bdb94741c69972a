/** A real origin on loopback that does what a test says, and remembers what it was asked. */
import * as http from "node:http"
import { Effect } from "effect"

export interface Asked {
  readonly method: string
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly rawHeaders: ReadonlyArray<string>
  readonly body: string
}

export type Handler = (
  request: Asked,
  response: http.ServerResponse,
  /** How many requests came before this one. */
  index: number
) => void

export interface Origin {
  readonly url: string
  readonly asked: Array<Asked>
  /** Sockets open at this moment. */
  readonly sockets: Set<import("node:net").Socket>
}

/** An origin that lives as long as the scope. */
export const make = (handler: Handler) =>
  Effect.acquireRelease(
    Effect.async<Origin & { readonly server: http.Server }>((resume) => {
      const asked: Array<Asked> = []
      const sockets: Origin["sockets"] = new Set()
      const server = http.createServer((request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          const { headers, method = "", rawHeaders, url = "" } = request
          const one: Asked = { method, url, headers, rawHeaders, body: Buffer.concat(chunks).toString() }
          asked.push(one)
          handler(one, response, asked.length - 1)
        })
      })
      server.on("connection", (socket) => {
        sockets.add(socket)
        socket.on("close", () => sockets.delete(socket))
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, asked, sockets, server }))
      })
    }),
    ({ server }) =>
      Effect.async<void>((resume) => {
        server.closeAllConnections()
        server.close(() => resume(Effect.void))
      })
  )
