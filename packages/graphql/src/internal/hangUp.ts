/** The client's leaving, told by the response: the one place where every Node server tells it truly. */
import type { ServerResponse } from "node:http"

/**
 * Calls `stop` when the connection closes before the response was written. Not
 * read from the request: its `close` (and so Fastify's `request.signal`) comes
 * with the end of every POST body.
 */
export const onHangUp = (response: ServerResponse, stop: () => void): void => {
  response.once("close", () => {
    if (!response.writableFinished) stop()
  })
}
