/** Requests of Memcached's binary protocol, with the version (CAS) that memjs leaves out of its own. */

export const Opcode = { get: 0x00, set: 0x01, add: 0x02, remove: 0x04, increment: 0x05 } as const

export const Status = { ok: 0x00, notFound: 0x01, exists: 0x02, tooLarge: 0x03, notStored: 0x05 } as const

const headerBytes = 24

export interface Request {
  readonly opcode: number
  readonly key: string
  readonly extras?: Buffer
  readonly value?: Uint8Array
  /** The version the entry must still have. */
  readonly version?: Buffer | undefined
}

const empty = Buffer.alloc(0)

export const encode = (request: Request, opaque: number): Buffer => {
  const { extras = empty, value = empty } = request
  const keyBytes = Buffer.byteLength(request.key)
  const message = Buffer.alloc(headerBytes + extras.length + keyBytes + value.length)
  message[0] = 0x80
  message[1] = request.opcode
  message.writeUInt16BE(keyBytes, 2)
  message[4] = extras.length
  message.writeUInt32BE(message.length - headerBytes, 8)
  message.writeUInt32BE(opaque, 12)
  request.version?.copy(message, 16)
  extras.copy(message, headerBytes)
  message.write(request.key, headerBytes + extras.length)
  message.set(value, headerBytes + extras.length + keyBytes)
  return message
}

/** Flags, which we do not use, and when to expire. */
export const storeExtras = (expires: number): Buffer => {
  const extras = Buffer.alloc(8)
  extras.writeUInt32BE(expires, 4)
  return extras
}

/** By how much, and that a count which is not there is not begun. */
export const incrementExtras = (by: number): Buffer => {
  const extras = Buffer.alloc(20)
  extras.writeBigUInt64BE(BigInt(by), 0)
  extras.writeUInt32BE(0xffffffff, 16)
  return extras
}
