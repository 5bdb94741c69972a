/** Upstreams on loopback for the tests of UndiciClient, and a certificate for those that speak TLS. */
import * as crypto from "node:crypto"
import * as http from "node:http"
import * as net from "node:net"
import { Effect, type Scope } from "effect"

/** A server's address, and the sockets it holds at this moment. */
export interface Upstream {
  readonly url: string
  readonly sockets: Set<net.Socket>
  /** How many connections were ever made. */
  readonly connections: () => number
}

/** Listens on a port of its own until the scope closes. */
export const listen = (server: net.Server, scheme = "http"): Effect.Effect<Upstream, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<Upstream & { readonly close: Effect.Effect<void> }>((resume) => {
      const sockets = new Set<net.Socket>()
      let connections = 0
      server.on("connection", (socket: net.Socket) => {
        connections++
        sockets.add(socket)
        socket.on("error", () => {})
        socket.on("close", () => sockets.delete(socket))
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const close = Effect.async<void>((resume) => {
          server.close(() => resume(Effect.void))
          for (const socket of sockets) socket.destroy()
        })
        resume(Effect.succeed({ url: `${scheme}://127.0.0.1:${port}`, sockets, connections: () => connections, close }))
      })
    }),
    ({ close }) => close
  )

/** An HTTP server. */
export const serve = (handler: http.RequestListener) => Effect.suspend(() => listen(http.createServer(handler)))

/** A server that does whatever it likes once a request's head has come. */
export const raw = (answer: (socket: net.Socket, request: string) => void) =>
  listen(
    net.createServer({ noDelay: true }, (socket) => {
      let pending = ""
      socket.on("data", (chunk) => {
        pending += chunk.toString("latin1")
        for (let end = pending.indexOf("\r\n\r\n"); end !== -1; end = pending.indexOf("\r\n\r\n")) {
          const head = pending.slice(0, end)
          pending = pending.slice(end + 4)
          answer(socket, head)
        }
      })
    })
  )

/** Looks again until it is so; a test that waits in vain ends by its own time limit. */
export const until = (condition: () => boolean): Effect.Effect<void> =>
  Effect.async((resume) => {
    const look = () => {
      if (condition()) resume(Effect.void)
      else setTimeout(look, 5)
    }
    look()
  })

// X.509, as little of it as a server needs. DER: a tag, a length, a value.

const der = (tag: number, ...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const value = Buffer.concat(parts)
  const { length } = value
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), value])
}
const sequence = (...parts: ReadonlyArray<Uint8Array>) => der(0x30, ...parts)
const oid = (hex: string) => der(0x06, Buffer.from(hex, "hex"))
const utcTime = (date: Date) => der(0x17, Buffer.from(`${date.toISOString().replace(/[-:T]/g, "").slice(2, 14)}Z`))
const name = (common: string) => sequence(der(0x31, sequence(oid("550403"), der(0x0c, Buffer.from(common)))))
const extension = (id: string, value: Uint8Array) => sequence(oid(id), der(0x04, value))
const day = 86_400_000

/** A certificate for `localhost` and 127.0.0.1 that is its own authority. */
export const selfSigned = (): { readonly key: string; readonly cert: string } => {
  const { publicKey, privateKey } = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" })
  const ecdsaWithSha256 = sequence(oid("2a8648ce3d040302"))
  const now = Date.now()
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1, ...crypto.randomBytes(8)])),
    ecdsaWithSha256,
    name("localhost"),
    sequence(utcTime(new Date(now - day)), utcTime(new Date(now + day))),
    name("localhost"),
    publicKey.export({ type: "spki", format: "der" }),
    der(
      0xa3,
      sequence(
        extension("551d13", sequence(der(0x01, Buffer.from([0xff])))),
        extension("551d11", sequence(der(0x82, Buffer.from("localhost")), der(0x87, Buffer.from([127, 0, 0, 1]))))
      )
    )
  )
  const signature = der(0x03, Buffer.from([0]), crypto.sign("sha256", body, privateKey))
  const lines =
    sequence(body, ecdsaWithSha256, signature)
      .toString("base64")
      .match(/.{1,64}/g) ?? []
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`
  }
}
