/**
 * An upstream that costs as little as one can: keep-alive, the same answer to
 * everything, in a process of its own.
 */
import { createServer } from "node:net"

const entity = JSON.stringify({
  id: "tt0111161",
  title: "The Shawshank Redemption",
  cast: Array.from({ length: 10 }, (_, index) => ({ id: `nm${index}`, name: `Somebody ${index}`, roles: ["a", "b"] })),
  rating: 9.3,
  padding: "x".repeat(340)
})

const answer = Buffer.from(
  [
    "HTTP/1.1 200 OK",
    "content-type: application/json; charset=utf-8",
    "cache-control: max-age=60",
    'etag: "33a64df551425fcc55e4d42a148795d9f25f89d4"',
    "date: Thu, 01 Jan 2026 00:00:00 GMT",
    "server: origin",
    `content-length: ${entity.length}`,
    "",
    entity
  ].join("\r\n")
)

const server = createServer({ noDelay: true }, (socket) => {
  let pending = ""
  socket.on("error", () => {})
  socket.on("data", (chunk) => {
    pending += chunk.toString("latin1")
    for (let end = pending.indexOf("\r\n\r\n"); end !== -1; end = pending.indexOf("\r\n\r\n")) {
      pending = pending.slice(end + 4)
      socket.write(answer)
    }
  })
})

server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  if (typeof address === "object" && address !== null) process.send?.(address.port)
})
process.on("disconnect", () => process.exit())
