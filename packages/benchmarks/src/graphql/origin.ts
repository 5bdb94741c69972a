/** An upstream of movie details, 1 kB each, that costs as little as one can. In a process of its own; counts its calls. */
import { createServer } from "node:net"

let calls = 0

const answer = (id: string): string => {
  const entity = JSON.stringify({ id, rating: 9.3, votes: 2_700_000, synopsis: "x".repeat(930) })
  return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: max-age=3600\r\ncontent-length: ${entity.length}\r\n\r\n${entity}`
}

const server = createServer({ noDelay: true }, (socket) => {
  let pending = ""
  socket.on("error", () => {})
  socket.on("data", (chunk) => {
    pending += chunk.toString("latin1")
    let answers = ""
    for (let end = pending.indexOf("\r\n\r\n"); end !== -1; end = pending.indexOf("\r\n\r\n")) {
      const path = pending.slice(0, end).split(" ")[1] ?? ""
      pending = pending.slice(end + 4)
      calls++
      answers += answer(path.split("/").pop()?.split("?")[0] ?? "")
    }
    if (answers !== "") socket.write(answers)
  })
})

server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  if (typeof address === "object" && address !== null) process.send?.(address.port)
})
process.on("message", () => process.send?.(calls))
process.on("disconnect", () => process.exit())
