/** What is used of memjs, which comes without types: its connection to one server, in the binary protocol. */
declare module "memjs" {
  import type { Socket } from "node:net"

  interface Response {
    readonly header: { readonly status: number; readonly cas: Buffer }
    readonly val: Buffer
  }

  export class Server {
    constructor(
      host: string,
      port: number,
      username: string | undefined,
      password: string | undefined,
      options: { readonly timeout: number; readonly conntimeout: number; readonly keepAlive: boolean }
    )
    /** Connects, or calls at once when connected. */
    sock(isSasl: boolean, connected: (socket: Socket) => void): void
    write(request: Buffer): void
    onResponse(opaque: number, listener: (response: Response) => void): void
    onError(opaque: number, listener: (cause: unknown) => void): void
    /** Destroys the connection, and tells every listener for errors. */
    error(cause: unknown): void
    close(): void
  }
}
