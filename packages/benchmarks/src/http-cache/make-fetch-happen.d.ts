declare module "make-fetch-happen" {
  interface MakeFetchHappen {
    (url: string): Promise<Response>
    readonly defaults: (options: { readonly cachePath: string }) => (url: string) => Promise<Response>
  }
  const fetch: MakeFetchHappen
  export default fetch
}
