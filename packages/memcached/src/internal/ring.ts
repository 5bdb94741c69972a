/**
 * Which server has a key: consistent hashing, so that a server that comes or
 * goes moves its own share of the keys and no other.
 */
import { createHash } from "node:crypto"

const pointsPerServer = 160

const point = (text: string): number => createHash("sha256").update(text).digest().readUInt32BE(0)

/** Answers the number of the server in the list. What a key gives depends on the servers' names, not on their order. */
export const make = (servers: ReadonlyArray<string>): ((key: string) => number) => {
  const points = servers
    .flatMap((server, index) =>
      Array.from({ length: pointsPerServer }, (_, turn) => ({ at: point(`${server}-${turn}`), index }))
    )
    .sort((left, right) => left.at - right.at)
  return (key) => {
    const at = point(key)
    let low = 0
    let high = points.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((points[middle]?.at ?? 0) < at) low = middle + 1
      else high = middle
    }
    return (points[low] ?? points[0])?.index ?? 0
  }
}
