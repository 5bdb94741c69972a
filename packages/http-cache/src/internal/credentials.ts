/** What request fields mean to the cache, by name; and which of them tell who is asking. */

/** `Authorization`: RFC 9111 §3.5 has rules of its own for it. */
export const AUTHORIZATION = 1
/** Any other field that tells who is asking. */
export const IDENTITY = 2
export const CACHE_CONTROL = 4
export const PRAGMA = 8
export const RANGE = 16
/** `If-None-Match`, `If-Modified-Since`: a cache may answer these. */
export const CONDITIONAL = 32
/** `If-Match`, `If-Unmodified-Since`: only the origin may. */
export const ORIGIN_CONDITIONAL = 64
/** Names that may be kept in clear when an origin varies on them. */
export const PLAIN = 128

const known: ReadonlyArray<readonly [number, ReadonlyArray<string>]> = [
  [AUTHORIZATION, ["authorization"]],
  [CACHE_CONTROL, ["cache-control"]],
  [PRAGMA, ["pragma"]],
  [RANGE, ["range"]],
  [CONDITIONAL, ["if-none-match", "if-modified-since"]],
  [ORIGIN_CONDITIONAL, ["if-match", "if-unmodified-since"]],
  [
    PLAIN,
    [
      "accept",
      "accept-charset",
      "accept-encoding",
      "accept-language",
      "accept-datetime",
      "access-control-request-headers",
      "access-control-request-method",
      "content-type",
      "device-memory",
      "dnt",
      "downlink",
      "dpr",
      "ect",
      "host",
      "origin",
      "prefer",
      "rtt",
      "save-data",
      "upgrade-insecure-requests",
      "user-agent",
      "viewport-width",
      "width",
      "x-forwarded-host",
      "x-forwarded-proto",
      "x-requested-with"
    ]
  ],
  // These have keys that tell requests and resources, not callers.
  [0, ["idempotency-key", "x-idempotency-key", "surrogate-key"]],
  [
    IDENTITY,
    [
      "proxy-authorization",
      "cookie",
      "cookie2",
      "apikey",
      "dd-application-key",
      "x-amzn-oidc-data",
      "x-amzn-oidc-identity",
      "x-auth-email",
      "x-authenticated-user",
      "x-forwarded-email",
      "x-forwarded-user",
      "x-goog-authenticated-user-email",
      "x-honeycomb-team",
      "x-mashape-key",
      "x-parse-application-id",
      "x-remote-user",
      "x-user",
      "x-user-email",
      "x-user-id"
    ]
  ]
]

/** Names nobody listed but that say what they carry: x-api-key, private-token, ocp-apim-subscription-key, dd-api-key… */
const telling =
  /(?:^|[-_])(?:auth|authorization|authentication|[a-z0-9]*api[-_]?key|access-?key|subscription-?key|app-?key|functions-key|auth-?key|token|secret|session|sessionid|sid|jwt|bearer|credentials?|password|passwd|identity|assertion|principal|consumer|tenant|account|org|organization|customer|userid|dpop|ssl-client|client-(?:cert|dn|id)|app-id|user-id|api-user|remote-user|init-data|key)(?:$|[-_])/

const mostNames = 4096

/** The function that says what a request field of some name means, remembered by name. */
export const classifier = (
  identity: ReadonlyArray<string>,
  anonymous: ReadonlyArray<string>
): ((name: string) => number) => {
  const classes = new Map<string, number>()
  const fixed = (): void => {
    classes.clear()
    for (const [bits, names] of known) for (const name of names) classes.set(name, bits)
    for (const name of anonymous) {
      const lower = name.toLowerCase()
      if (lower !== "authorization" && lower !== "proxy-authorization" && lower !== "cookie") classes.set(lower, 0)
    }
    for (const name of identity) {
      const lower = name.toLowerCase()
      // Fields with another meaning keep it: `range` cannot stop being a range.
      const other = (classes.get(lower) ?? 0) & ~PLAIN & ~IDENTITY
      classes.set(lower, other === AUTHORIZATION ? AUTHORIZATION : other | IDENTITY)
    }
  }
  fixed()
  return (name) => {
    const bits = classes.get(name)
    if (bits !== undefined) return bits
    const lower = name.toLowerCase()
    const found = classes.get(lower) ?? (lower.startsWith("sec-") ? PLAIN : telling.test(lower) ? IDENTITY : 0)
    // Names come from callers: what is remembered of them has a bound.
    if (classes.size >= mostNames) fixed()
    classes.set(name, found)
    return found
  }
}
