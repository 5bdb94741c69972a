import { readdirSync } from "node:fs"
import { defineConfig } from "vitest/config"

const root = new URL("./packages/", import.meta.url)

/** The full runs are the same tests over many more cases. */
const testTimeout = process.env["WELLSPRING_FULL"] === undefined ? 20_000 : 900_000

/** Packages resolve each other to their sources, so tests need no build. */
const fromSources = {
  // One copy of graphql: its CommonJS form is the one every server requires.
  resolve: { conditions: ["@wellspring/dev"], alias: [{ find: /^graphql$/, replacement: "graphql/index.js" }] },
  ssr: { resolve: { conditions: ["@wellspring/dev"], externalConditions: ["@wellspring/dev"] } }
}

/** One project a package, so that `vitest --project source` runs one room's tests. */
const projects = [
  ...readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== "benchmarks")
    .map(({ name }) => ({
      ...fromSources,
      test: { name, root: new URL(name, root).pathname, include: ["test/**/*.test.ts"], testTimeout }
    })),
  {
    ...fromSources,
    test: { name: "docs", root: new URL("./docs/", import.meta.url).pathname, include: ["*.test.ts"] }
  }
]

export default defineConfig({ test: { projects } })
