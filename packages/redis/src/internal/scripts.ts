/**
 * What has to happen in one step on the server.
 *
 * A namespace (or a shard of it) has a count of its invalidations, `seq`. A
 * value carries the count at the time it was begun, its position; clearing the
 * namespace and removing a tag write the new count into `all` or the tag's
 * stamp. A value is good while no stamp of it is above its position, so a value
 * that was begun before an invalidation is never good after it, in whatever order the commands arrive.
 * Stamps that are missing, as after an eviction, make values misses.
 */
import { createHash } from "node:crypto"

export interface Script {
  readonly text: string
  readonly sha: string
}

const script = (text: string): Script => ({ text, sha: createHash("sha1").update(text).digest("hex") })

/** KEYS 1 and 2 of every script are `seq` and `all`. Counts begin at the server's time, so that a lost count never goes back. */
const prelude = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function digits(number) return string.format('%.0f', number) end
local seq = tonumber(redis.call('GET', KEYS[1]) or '')
local all = tonumber(redis.call('GET', KEYS[2]) or '')
if not seq or not all then
  seq = math.max(now, (seq or 0) + 1, (all or 0) + 1)
  all = seq
  redis.call('SET', KEYS[1], digits(seq))
  redis.call('SET', KEYS[2], digits(all))
end
`

/**
 * KEYS: 3 entry, 4 lease, 5… tag stamps. ARGV: 1 value, 2 time to live in ms or '', 3 lease token or '',
 * 4 the server's time in µs after which nothing may be written, 5 the tags as they stand in the entry, 6 how long stamps live at least, in ms.
 * Answers { 1 kept | 0 refused | -1 too late, the server's time }.
 */
export const set = script(`${prelude}
if now > tonumber(ARGV[4]) then return { -1, now } end
local position = seq
if ARGV[3] ~= '' then
  if redis.call('GET', KEYS[4]) ~= ARGV[3] then return { 0, now } end
  position = tonumber(string.match(ARGV[3], '%.(%d+)$'))
  if not position or position < all then return { 0, now } end
end
local ttl = tonumber(ARGV[2])
for index = 5, #KEYS do
  local stamp = tonumber(redis.call('GET', KEYS[index]) or '')
  if stamp and stamp > position then return { 0, now } end
end
local least = tonumber(ARGV[6])
for index = 5, #KEYS do
  local left = redis.call('PTTL', KEYS[index])
  if not ttl then
    if left == -2 then redis.call('SET', KEYS[index], digits(position)) else redis.call('PERSIST', KEYS[index]) end
  elseif left == -2 then
    redis.call('SET', KEYS[index], digits(position), 'PX', math.max(ttl, least))
  elseif left >= 0 and left < ttl then
    redis.call('PEXPIRE', KEYS[index], ttl)
  end
end
local high = math.floor(position / 4294967296)
local low = position % 4294967296
local value = struct.pack('>I4I4I4I4', high, low, high, low) .. ARGV[5] .. ARGV[1]
if ttl then redis.call('SET', KEYS[3], value, 'PX', ttl) else redis.call('SET', KEYS[3], value) end
if ARGV[3] ~= '' then redis.call('UNLINK', KEYS[4]) end
return { 1, now }
`)

/** KEYS: 3 lease. ARGV: 1 a number used once, 2 time to live in ms. Answers the token, or nil while another holds a lease that is good. */
export const acquire = script(`${prelude}
local token = ARGV[1] .. '.' .. digits(seq)
if redis.call('SET', KEYS[3], token, 'NX', 'PX', ARGV[2]) then return token end
local held = tonumber(string.match(redis.call('GET', KEYS[3]) or '', '%.(%d+)$') or '')
if held and held >= all then return nil end
redis.call('SET', KEYS[3], token, 'PX', ARGV[2])
return token
`)

/** KEYS: 1 lease. ARGV: 1 token. */
export const release = script(`
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('UNLINK', KEYS[1]) end
return 0
`)

/** Everything that was begun before now is no longer good. */
export const clear = script(`${prelude}
redis.call('SET', KEYS[1], digits(seq + 1))
redis.call('SET', KEYS[2], digits(seq + 1))
return 1
`)

/** KEYS: 3 the tag's stamp. ARGV: 1 how long stamps live at least, in ms. */
export const removeTagged = script(`${prelude}
redis.call('SET', KEYS[1], digits(seq + 1))
local left = redis.call('PTTL', KEYS[3])
if left == -1 then
  redis.call('SET', KEYS[3], digits(seq + 1))
else
  redis.call('SET', KEYS[3], digits(seq + 1), 'PX', math.max(left, tonumber(ARGV[1])))
end
return 1
`)

/** KEYS: 3… entries. Forgets those that a clear has left behind; the ones written since stay. */
export const sweep = script(`${prelude}
for index = 3, #KEYS do
  local head = redis.call('GETRANGE', KEYS[index], 0, 7)
  if #head == 8 then
    local high, low = struct.unpack('>I4I4', head)
    if high * 4294967296 + low < all then redis.call('UNLINK', KEYS[index]) end
  end
end
return 1
`)
