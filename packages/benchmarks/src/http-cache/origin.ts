/**
 * An upstream that costs as little as one can: `/<kilobytes>?anything` is a JSON
 * document of about that size, fresh for a minute, with a validator. In a process of its own.
 */
import { createServer } from "node:net"

/** About a kilobyte of what APIs answer with. */
const movie = (index: number) => ({
  id: `tt${String(index).padStart(7, "0")}`,
  title: `The Shawshank Redemption, part ${index}`,
  cast: Array.from({ length: 10 }, (_, at) => ({ id: `nm${at}`, name: `Somebody ${at}`, roles: ["a", "b"] })),
  rating: 9.3,
  plot: "x".repeat(240)
})

export const document = (kilobytes: number): string =>
  kilobytes === 0
    ? JSON.stringify({ id: "tt0000000", title: "x".repeat(180) })
    : JSON.stringify(Array.from({ length: kilobytes }, (_, index) => movie(index)))

const head = (status: string, more: ReadonlyArray<string>) =>
  [`HTTP/1.1 ${status}`, "cache-control: max-age=60", 'etag: "33a64df5"', "server: origin", ...more, "", ""].join(
    "\r\n"
  )

const serve = () => {
  const answers = new Map<number, Buffer>()
  const answer = (kilobytes: number): Buffer => {
    const known = answers.get(kilobytes)
    if (known !== undefined) return known
    const body = document(kilobytes)
    const made = Buffer.from(
      head("200 OK", ["content-type: application/json; charset=utf-8", `content-length: ${body.length}`]) + body
    )
    answers.set(kilobytes, made)
    return made
  }
  const notModified = Buffer.from(head("304 Not Modified", []))
  let asked = 0
  let unmodified = 0
  const server = createServer({ noDelay: true }, (socket) => {
    let pending = ""
    socket.on("error", () => {})
    socket.on("data", (chunk) => {
      pending += chunk.toString("latin1")
      for (let end = pending.indexOf("\r\n\r\n"); end !== -1; end = pending.indexOf("\r\n\r\n")) {
        const request = pending.slice(0, end)
        pending = pending.slice(end + 4)
        asked++
        if (/\r\nif-none-match:/i.test(request)) {
          unmodified++
          socket.write(notModified)
        } else socket.write(answer(Number(/^GET \/(\d+)/.exec(request)?.[1] ?? 1)))
      }
    })
  })
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    if (typeof address === "object" && address !== null) process.send?.(address.port)
  })
  process.on("message", () => {
    process.send?.({ asked, unmodified })
    asked = 0
    unmodified = 0
  })
  process.on("disconnect", () => process.exit())
}

if (process.argv[2] === "serve") serve()
