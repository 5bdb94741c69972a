/**
 * An upstream that costs as little as one can, in a process of its own:
 * `/<lifetime>/<kB>/<name>` is a document of that size with `max-age` of that
 * lifetime, and `If-None-Match` is answered 304. Counts its requests under `/count`.
 */
import { createServer } from "node:net"

const documents = new Map<string, Buffer>()
const etag = '"33a64df551425fcc55e4d42a148795d9f25f89d4"'

const head = (status: string, lifetime: string, length: number) =>
  [
    `HTTP/1.1 ${status}`,
    "content-type: application/json; charset=utf-8",
    `cache-control: public, max-age=${lifetime}`,
    `etag: ${etag}`,
    `date: ${new Date().toUTCString()}`,
    `content-length: ${length}`,
    "",
    ""
  ].join("\r\n")

const entity = (kilobytes: number): string => {
  const people: Array<unknown> = []
  const document = { id: "tt0111161", title: "The Shawshank Redemption", people }
  while (JSON.stringify(document).length < kilobytes * 1000) {
    people.push({ id: `nm${people.length}`, name: `Somebody ${people.length}`, roles: ["actor", "writer"], born: 1950 })
  }
  return JSON.stringify(document)
}

const documentOf = (lifetime: string, size: string): Buffer => {
  const key = `${lifetime}/${size}`
  let document = documents.get(key)
  if (document === undefined) {
    const text = entity(Number(size))
    document = Buffer.from(head("200 OK", lifetime, text.length) + text)
    documents.set(key, document)
  }
  return document
}

let requests = 0
const server = createServer({ noDelay: true }, (socket) => {
  let pending = ""
  socket.on("error", () => {})
  socket.on("data", (chunk) => {
    pending += chunk.toString("latin1")
    for (let end = pending.indexOf("\r\n\r\n"); end !== -1; end = pending.indexOf("\r\n\r\n")) {
      const request = pending.slice(0, end)
      pending = pending.slice(end + 4)
      const [, lifetime = "0", size = "1"] = (request.split(" ", 2)[1] ?? "").split("/")
      if (lifetime === "count") {
        const text = String(requests)
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`)
        requests = 0
        continue
      }
      requests++
      if (/\r\nif-none-match:/i.test(request)) {
        socket.write(
          `HTTP/1.1 304 Not Modified\r\ncache-control: public, max-age=${lifetime}\r\netag: ${etag}\r\ndate: ${new Date().toUTCString()}\r\n\r\n`
        )
      } else socket.write(documentOf(lifetime, size))
    }
  })
})

server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  if (typeof address === "object" && address !== null) process.send?.(address.port)
})
process.on("disconnect", () => process.exit())
