/** Which endpoint a request is for, told from its method and path. */
import type { Received } from "./received.ts"

interface Shape {
  readonly method: string
  readonly template: string
  readonly parameters: ReadonlyArray<string>
}

const escape = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")

/** The values of the path's parameters when a call fits, decoded; undefined when it does not. Any base URL fits. */
export const matcher = ({ method, parameters, template }: Shape) => {
  let rest = (template.split("?", 1)[0] ?? "").replace(/^\.\//, "")
  const isRooted = rest.startsWith("/") || /^https?:/.test(rest)
  if (isRooted) rest = rest.replace(/^https?:\/\/[^/]+/, "")
  let pattern = ""
  for (const name of parameters) {
    const at = rest.indexOf(`:${name}`)
    pattern += `${escape(rest.slice(0, at))}([^/]+(?:/[^/]+)*?)`
    rest = rest.slice(at + name.length + 1)
  }
  const whole = new RegExp(`^${isRooted ? "" : "(?:/.*)?/"}${pattern}${escape(rest)}$`)
  return (received: Pick<Received, "method" | "path">): Readonly<Record<string, string>> | undefined => {
    if (received.method !== method) return undefined
    const found = whole.exec(received.path)
    if (found === null) return undefined
    return Object.fromEntries(parameters.map((name, index) => [name, decodeURIComponent(found[index + 1] ?? "")]))
  }
}
